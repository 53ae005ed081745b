// The measurements, taken once per second.
const delays = []; // of the last minute, in ms
let before = { at: now(), bytes: 0 };
let seenDelay = NaN; // of the last second, in ms

function measure() {
  const at = now(), seconds = (at - before.at) / 1000;
  const fps = drawn.frames / seconds, bytes = (total.bytes - before.bytes) / seconds;
  const sorted = drawn.delays.sort((a, b) => a - b);
  let delay = sorted.length && clock.error < 1000 ? Math.max(0, sorted[sorted.length >> 1]) : NaN;
  seenDelay = delay;
  const first = !before.bytes; // decoder startup distorts the first second
  before = { at, bytes: total.bytes };
  drawn = { frames: 0, delays: [] };
  if (document.hidden) return;
  if (wrong.stream || wrong.signal || !total.frames || paused) { // "no signal" pictures are not measured
    for (const id of ["short-size", "short-fps", "short-delay"]) put(id, "");
    for (const id of ["delay", "seen-bytes"]) put(id, "–");
    delay = NaN;
  } else {
    put("short-size", moving ? moving.naturalWidth + "×" + moving.naturalHeight : size.width + "×" + size.height);
    put("short-fps", moving ? "" : fps.toFixed(1) + " fps");
    put("short-delay", isNaN(delay) ? "" : Math.round(delay) + " ms");
    put("delay", isNaN(delay) ? (fps && way.now === "webrtc" ? "unknown" : "–") : Math.round(delay) + " ms ± " + Math.max(1, Math.ceil(clock.error)));
    put("seen-bytes", moving ? "–" : rate(bytes));
  }
  delays.push(first ? NaN : delay);
  if (delays.length > 60) delays.shift();
  graph();
}

function graph() {
  // Scaled to the 95th percentile: one second in which the browser was busy must not flatten all others.
  const some = delays.filter((d) => d >= 0).sort((a, b) => a - b);
  const most = some.length ? some[Math.ceil(some.length * 0.95) - 1] * 1.15 : 0;
  const top = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((t) => t >= most) || most;
  let line = "", area = "", from = NaN;
  delays.forEach((d, i) => {
    const x = 2 * i;
    if (isNaN(d)) { // a gap
      if (!isNaN(from)) area += "V36H" + from + "Z";
      from = NaN;
      return;
    }
    const point = x + " " + Math.max(0, 36 - 36 * d / top).toFixed(1);
    line += (isNaN(from) ? "M" : "L") + point;
    area += (isNaN(from) ? "M" + x + " 36L" : "L") + point;
    if (isNaN(from)) from = x;
  });
  if (!isNaN(from)) area += "V36H" + from + "Z";
  $("graph").children[0].setAttribute("d", area);
  $("graph").children[1].setAttribute("d", line);
  put("graph-top", most ? Math.round(top) + " ms" : "");
}
