// What the pictures are best sent as: JPEGs, each whole and the first one soonest, or video (H.264), a tenth of the bytes. chooser decides by what was seen
// second by second. It knows nothing of the page.
function chooser() {
  const calm = 10000; // ms that a choice lasts at least
  const seconds = []; // the last ones since the last change
  const delays = []; // ms, of the same
  const known = {}; // way of video -> its delay when it was left, and when
  const broken = {}; // way -> until when it is not tried
  const failures = {}; // way -> how often it failed in a row
  let changed = -Infinity, probed = 0, pause = calm; // between two probes
  let chosen = "auto"; // by hand
  const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
  const works = (s, way, at) => s.offered.includes(way) && !(broken[way] > at);

  // second takes what one second was like and returns what to do: a way to go, "probe" to see whether the link carries JPEGs again, or "" for nothing.
  //   at: ms; now: the way of now; wish: "auto" or a way; offered: the ways of video that there are, the best first
  //   arrived, made: JPEGs that came, and that were made and wanted; delay: ms until they were drawn, NaN if unknown
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
    // Less than this nobody notices; and what is not clearly fresher is not worth a change.
    if (other && late > 400 && !(known[other] && at - known[other].at < 300000 && known[other].delay * 1.3 > late)) return other;
    if (at - Math.max(probed, changed) >= pause) {
      probed = at;
      return "probe";
    }
    return "";
  }

  // settled says that pictures come by a way now.
  function settled(at, way, before) {
    if (before !== "jpeg" && delays.length) known[before] = { delay: median(delays), at };
    // A link that carried JPEGs not for long is not asked as soon again.
    if (way !== "jpeg" && before === "jpeg") pause = at - changed < 60000 ? Math.min(1.5 * pause, 30000) : calm;
    failures[way] = 0;
    changed = at;
    seconds.length = delays.length = 0;
  }

  // failed says that a way brought no pictures, or no more.
  function failed(at, way) {
    failures[way] = (failures[way] || 0) + 1;
    broken[way] = at + (chosen === way ? calm : Math.min(calm * 2 ** (failures[way] - 1), 120000)); // who has chosen it by hand wants it
  }

  // missed says that a probe found the link too slow for JPEGs.
  function missed() {
    pause = Math.min(1.5 * pause, 30000);
  }

  // asked forgets what failed: somebody has chosen by hand.
  function asked() {
    for (const way of Object.keys(broken)) delete broken[way];
    changed = -Infinity;
  }

  return { second, settled, failed, missed, asked };
}
