// Which way to receive pictures: as JPEGs, each self-contained and the first one soonest, or as video (H.264), a tenth of the bytes. chooser decides from
// what each second was like. It knows nothing of the page.
function chooser() {
  const calm = 10000; // minimum ms between changes
  const seconds = []; // since the last change
  const delays = []; // ms, of the same seconds
  const known = {}; // video way -> its delay when it was left, and when
  const broken = {}; // way -> not retried until then
  const failures = {}; // way -> consecutive failures
  let changed = -Infinity, probed = 0, pause = calm; // between two probes
  let chosen = "auto"; // the user's choice
  const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
  const works = (s, way, at) => s.offered.includes(way) && !(broken[way] > at);

  // second takes one second's measurements and returns what to do: a way to switch to, "probe" to test whether the link carries JPEGs again, or "".
  //   at: ms; now: the current way; wish: "auto" or a way; offered: the available ways of video, best first
  //   arrived, made: JPEGs received, and JPEGs made and wanted; delay: ms until they were drawn, NaN if unknown
  function second(at, s) {
    chosen = s.wish;
    if (s.now !== "jpeg" && !works(s, s.now, at)) return "jpeg";
    if (s.wish !== "auto") return s.wish !== s.now && (s.wish === "jpeg" || works(s, s.wish, at)) ? s.wish : "";
    seconds.push(s);
    if (seconds.length > 4) seconds.shift();
    if (!isNaN(s.delay)) delays.push(s.delay);
    if (delays.length > 6) delays.shift();
    if (at - changed < calm || seconds.length < 4) return "";
    const free = s.offered.filter((way) => way !== s.now && works(s, way, at));
    if (s.now === "jpeg") {
      const arrived = seconds.reduce((sum, one) => sum + one.arrived, 0), made = seconds.reduce((sum, one) => sum + one.made, 0);
      if (made < 4 || arrived >= 0.75 * made || !free.length) return "";
      return free.reduce((best, way) => (known[way] && known[best] && known[way].delay < known[best].delay ? way : best));
    }
    const [other] = free, late = delays.length === 6 ? median(delays) : 0;
    // Nobody notices less than this, and a small gain is not worth a change.
    if (other && late > 400 && !(known[other] && at - known[other].at < 300000 && known[other].delay * 1.3 > late)) return other;
    if (at - Math.max(probed, changed) >= pause) {
      probed = at;
      return "probe";
    }
    return "";
  }

  // settled reports that pictures now arrive by a way.
  function settled(at, way, before) {
    if (before !== "jpeg" && delays.length) known[before] = { delay: median(delays), at };
    // After JPEGs were carried only briefly, the next probe waits longer.
    if (way !== "jpeg" && before === "jpeg") pause = at - changed < 60000 ? Math.min(1.5 * pause, 30000) : calm;
    failures[way] = 0;
    changed = at;
    seconds.length = delays.length = 0;
  }

  // failed reports that a way brought no pictures, or stopped.
  function failed(at, way) {
    failures[way] = (failures[way] || 0) + 1;
    broken[way] = at + (chosen === way ? calm : Math.min(calm * 2 ** (failures[way] - 1), 120000)); // a way that the user chose is retried soon
  }

  // missed reports that a probe found the link too slow for JPEGs.
  function missed() {
    pause = Math.min(1.5 * pause, 30000);
  }

  // asked forgets failures: the user has made a choice.
  function asked() {
    for (const way of Object.keys(broken)) delete broken[way];
    changed = -Infinity;
  }

  return { second, settled, failed, missed, asked };
}
