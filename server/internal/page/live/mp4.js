// Video over HTTP: /video.mp4, a fragment per picture, played with Media Source Extensions as close to the live edge as possible. The leading window
// reads it and passes the fragments on.
const before1970 = 2208988800; // seconds from the NTP epoch to 1970
let onFragment = () => {}; // receives the leading window's fragments

async function playMP4(v) {
  const source = new MediaSource(), { element } = v, place = URL.createObjectURL(source);
  element.src = place;
  await new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
  URL.revokeObjectURL(place);
  let buffer = null, begun = false;
  const waiting = []; // not yet in the buffer
  const times = []; // [time in s, captured in ms] of the latest pictures
  v.captured = (time) => {
    let best = NaN;
    for (const [t, captured] of times) if (t <= time + 0.002) best = captured;
    return best;
  };
  const append = () => {
    if (v.closed || !buffer || buffer.updating || !waiting.length) return;
    const all = new Uint8Array(waiting.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of waiting.splice(0)) all.set(part, at), at += part.length;
    try {
      buffer.appendBuffer(all);
    } catch (error) {
      videoFailed(v, error);
    }
  };
  const take = ({ mp4, init, type, key, time, captured }) => {
    if (v.closed || !begun && !key) return;
    if (!buffer) {
      buffer = source.addSourceBuffer(type);
      buffer.addEventListener("updateend", () => {
        keepUp(v, buffer);
        append();
      });
      buffer.addEventListener("error", () => videoFailed(v, new Error("the browser rejected the video.")));
    }
    if (waiting.length > 500) return videoFailed(v, new Error("the browser cannot keep up."));
    if (init !== begun) waiting.push(init), begun = init;
    waiting.push(mp4);
    times.push([time, captured]);
    if (times.length > 300) times.shift();
    total.bytes += mp4.length;
    append();
  };
  if (!leads()) {
    let last = { text: "", init: null };
    onFragment = (m) => { // each message has a fresh copy, even of the same init segment
      const text = String(m.init);
      if (text !== last.text) last = { text, init: m.init };
      take({ ...m, init: last.init });
    };
    v.signal.addEventListener("abort", () => { onFragment = () => {}; });
    return;
  }
  const reply = await ask("video.mp4", { signal: v.signal });
  if (!reply.ok) throw new Error(await refusal(reply));
  const type = reply.headers.get("Content-Type");
  await readFragments(reply.body.getReader(), (fragment) => {
    const all = { ...fragment, type };
    share(all);
    take(all);
  });
  throw new Error("the connection was lost.");
}

// readFragments splits a stream: ftyp and moov at the start and whenever the picture's size changes; prft, moof and mdat for each picture.
async function readFragments(reader, take) {
  let buffer = new Uint8Array(1 << 17), size = 0, at = 0; // at: start of the next box
  let init = null, fragment = {};
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer = appendBytes(buffer, size, value);
    size += value.length;
    const view = new DataView(buffer.buffer);
    while (size - at >= 8) {
      const end = at + view.getUint32(at), name = latin1.decode(buffer.subarray(at + 4, at + 8));
      if (end < at + 8 || end > 1 << 26) throw new Error("this is not a video stream.");
      if (size < end) break;
      if (name === "prft") {
        fragment.captured = (view.getUint32(at + 16) - before1970 + view.getUint32(at + 20) / 2 ** 32) * 1000;
        fragment.time = (view.getUint32(at + 24) * 2 ** 32 + view.getUint32(at + 28)) / 90000;
      } else if (name === "moof") {
        fragment.key = !(view.getUint32(end - 4) & 1 << 16); // moof ends with the flags of its single sample: does it depend on others?
      }
      at = end;
      if (name !== "moov" && name !== "mdat") continue;
      const bytes = buffer.slice(0, end);
      if (name === "moov") init = bytes;
      else take({ mp4: bytes, init, ...fragment });
      fragment = {};
      buffer.copyWithin(0, end, size);
      size -= end;
      at = 0;
    }
  }
}

// keepUp keeps playback near the newest picture and frees what was played. A buffer that never fell below one picture in the last seconds only
// delays: play faster or, if it is much, skip.
function keepUp(v, buffer) {
  const { element } = v, ranges = element.buffered;
  if (!ranges.length) return;
  const end = ranges.end(ranges.length - 1), at = now();
  if (element.paused) element.play().catch(() => {}); // autoplay may not start: Firefox waits for more data than a live stream has
  if (element.currentTime < ranges.start(ranges.length - 1)) element.currentTime = ranges.start(ranges.length - 1);
  v.ahead = v.ahead || [];
  v.ahead.push([at, end - element.currentTime]);
  while (at - v.ahead[0][0] > 2000) v.ahead.shift();
  const least = Math.min(...v.ahead.map(([, seconds]) => seconds)); // the rest absorbs network jitter
  const enough = v.exact ? 1.5 * Math.min(expectedInterval(), 100) / 1000 : 0.3; // WebKitGTK 2.50 stalls with less, and when the playback rate changes
  if (at - v.ahead[0][0] > 1500 && least > enough + 0.5) {
    element.currentTime = end - enough;
    v.ahead = [];
  }
  if (v.exact) element.playbackRate = least > 2 * enough ? 1.1 : least > enough ? 1.03 : 1;
  if (!buffer.updating && ranges.start(0) < element.currentTime - 20) buffer.remove(0, element.currentTime - 10);
}
