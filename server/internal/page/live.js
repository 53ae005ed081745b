"use strict";
const $ = (id) => document.getElementById(id);
const canvas = $("picture"), stage = $("stage"), viewer = $("viewer");
const screen2d = canvas.getContext("2d", { alpha: false });
const now = () => performance.timeOrigin + performance.now(); // ms since 1970, finer than Date.now and never set back
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// All addresses are relative, so that the page works behind a proxy's path, too. A token that the page was opened with goes along.
const token = new URLSearchParams(location.search).get("token");
const url = (path) => (token ? path + "?token=" + encodeURIComponent(token) : path);
$("snapshot").href = url("snapshot");

async function ask(path, options = {}) {
  // The header keeps the server from an answer at which the browser would open a password window of its own.
  const reply = await fetch(url(path), { cache: "no-store", ...options, headers: { "X-Requested-With": "page", ...options.headers } });
  if (reply.status === 401) { // the session is over: the server shows its login form
    location.reload();
    await pause(1e9);
  }
  return reply;
}

// --- Notices. What is wrong longest-lasting is said; the picture that stands still is greyed.
const wrong = { stream: null, events: null, signal: null };
let told = "";
function notice() {
  const worst = wrong.stream || wrong.events || wrong.signal;
  const lost = Boolean(wrong.stream || wrong.events);
  stage.classList.toggle("stale", lost);
  const text = worst ? worst.join("\n") : "";
  if (text !== told) { // a live region is read out at each change
    told = text;
    const box = $("notice").firstElementChild;
    box.hidden = !worst;
    box.querySelector("strong").textContent = worst ? worst[0] : "";
    box.querySelector("span").textContent = worst ? worst[1] : "";
  }
  const status = lost ? "Offline" : wrong.signal ? "No signal" : total.frames ? "Live" : "Connecting";
  if ($("live-text").textContent !== status) $("live-text").textContent = status;
  $("live").className = worst ? "lost" : total.frames ? "" : "waiting";
}

let problemTimer;
function problem(text) {
  const p = $("problem").firstElementChild;
  p.textContent = text;
  p.hidden = !text;
  clearTimeout(problemTimer);
  if (text) problemTimer = setTimeout(problem, 8000, "");
}

// --- The stream. It is read here and not by an <img>, because only so the page knows of each frame when it was captured, when it came and
// when it was drawn; and a frame that would be late is left out for a newer one.
let stream = null; // ends the running one
const total = { frames: 0, bytes: 0 }; // that came
let drawn = { frames: 0, delays: [] }; // since the last measurement
let newest = 0; // when the newest came

async function watch() {
  if (stream) return;
  const mine = stream = new AbortController();
  for (let wait = 500; !mine.signal.aborted; wait = Math.min(2 * wait, 5000)) {
    const before = total.frames;
    let why = ["Connection lost.", "Trying again…"];
    try {
      const reply = await ask("stream", { signal: mine.signal });
      if (reply.ok) await read(reply.body.getReader());
      else why = ["The server is busy.", (await reply.text()) + " Trying again…"];
    } catch { /* the connection broke */ }
    if (mine.signal.aborted) return;
    wrong.stream = why;
    notice();
    if (total.frames > before) wait = 500;
    await pause(wait);
  }
}

function leave() {
  if (stream) stream.abort();
  stream = null;
}

const latin1 = new TextDecoder("latin1");

// read takes the parts of a multipart stream apart.
async function read(reader) {
  let buffer = new Uint8Array(1 << 18), size = 0;
  let part = null;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (size + value.length > buffer.length) {
      const larger = new Uint8Array(2 * (size + value.length));
      larger.set(buffer.subarray(0, size));
      buffer = larger;
    }
    buffer.set(value, size);
    size += value.length;
    let at = 0; // what is before has been used
    for (;;) {
      if (!part) {
        const text = latin1.decode(buffer.subarray(at, Math.min(size, at + 1024)));
        const end = text.indexOf("\r\n\r\n");
        if (end < 0 && text.length < 1024) break;
        const field = (name) => Number((text.slice(0, end).match(new RegExp(name + ": *([0-9.]+)", "i")) || [])[1]);
        part = { head: end + 4, length: field("Content-Length"), captured: field("X-Timestamp") * 1000 };
        if (end < 0 || !(part.length < 1 << 26)) throw new Error("not a stream of pictures");
      }
      const begin = at + part.head, end = begin + part.length;
      if (size < end) break;
      draw(new Blob([buffer.subarray(begin, end)], { type: "image/jpeg" }), part.captured);
      at = end;
      part = null;
    }
    buffer.copyWithin(0, at, size);
    size -= at;
  }
}

let next = null, drawing = false;
async function draw(blob, captured) {
  total.frames++;
  total.bytes += blob.size;
  newest = now();
  if (wrong.stream) wrong.stream = null, notice();
  next = { blob, captured }; // one that still waits is too old now
  if (drawing) return;
  drawing = true;
  while (next) {
    const frame = next;
    next = null;
    try {
      const picture = await createImageBitmap(frame.blob);
      if (canvas.width !== picture.width || canvas.height !== picture.height) {
        canvas.width = picture.width;
        canvas.height = picture.height;
        stage.style.setProperty("--ratio", picture.width + " / " + picture.height);
      }
      screen2d.drawImage(picture, 0, 0);
      picture.close();
      drawn.frames++;
      drawn.delays.push(now() + clock.offset - frame.captured);
      stage.classList.remove("empty");
    } catch { /* a broken picture: the next one will do */ }
  }
  drawing = false;
}

// --- The server's clock against ours, as NTP does it: the reply was made between asking and hearing; the quickest exchange says it best,
// and is wrong by half its time at most.
const clock = { offset: 0, error: Infinity, samples: [] };
async function compareClocks(times) {
  for (let i = 0; i < times && !document.hidden; i++) {
    try {
      const asked = now();
      const reply = await fetch("healthz", { cache: "no-store" });
      const heard = now();
      const server = Number(reply.headers.get("X-Time")) * 1000;
      if (server > 0) {
        const s = { error: (heard - asked) / 2, offset: server - (asked + heard) / 2 };
        // Earlier ones that contradict it are of a clock that was set, or that stood still while the machine slept.
        clock.samples = clock.samples.filter((old) => Math.abs(old.offset - s.offset) <= old.error + s.error + 1).slice(-7);
        clock.samples.push(s);
      }
    } catch { /* it is asked again */ }
    if (clock.samples.length) Object.assign(clock, clock.samples.reduce((a, b) => (b.error < a.error ? b : a)));
    await pause(100);
  }
}
setInterval(compareClocks, 20000, 1);

// --- The server's state, told by itself once a second.
let events = null, heard = 0;
function follow() {
  if (events) return;
  heard = now();
  events = new EventSource(url("state"));
  events.onmessage = (e) => {
    heard = now();
    wrong.events = null;
    update(JSON.parse(e.data));
  };
  events.onerror = () => {
    for (const id of ["source-fps", "encode", "viewers", "sent"]) $(id).textContent = "–";
    if (events && events.readyState === EventSource.CLOSED) unfollow(); // refused: the watchdog asks again
  };
}

function unfollow() {
  if (events) events.close();
  events = null;
}

let state = null;
function update(s) {
  state = s;
  wrong.signal = s.signal ? null : ["No signal.", s.reason ? "The source says: " + s.reason : "The source is away."];
  notice();
  const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
  put("source", s.source.name || "–");
  put("encoder", s.encoder || "–");
  put("source-fps", s.idle ? "resting" : s.fps.toFixed(1) + " fps");
  put("encode", s.encode_ms.p50 ? s.encode_ms.p50.toFixed(1) + " ms" : "–");
  put("viewers", s.server.viewers + (s.server.max_clients ? " of " + s.server.max_clients : ""));
  put("sent", rate(s.server.bytes_per_second));
  document.title = (s.signal ? "" : "No signal – ") + (s.source.name || "camera") + " – " + (s.name || "maixstream");
  canvas.setAttribute("aria-label", "Live picture of " + (s.source.name || "the camera"));
  offer(s);
}

const rate = (bytes) => (bytes >= 1e6 ? (bytes / 1e6).toFixed(2) + " MB/s" : (bytes / 1e3).toFixed(0) + " kB/s");

// --- Settings: only what the source can do is offered.
const touched = {}; // when the user moved a control: it is not set back meanwhile
function offer(s) {
  const can = s.signal ? s.can : {};
  const size = (w, h) => w + "×" + h;
  $("quality").disabled = !can.quality;
  $("fps").disabled = !can.fps;
  $("mirror").disabled = $("flip").disabled = !can.orient;
  $("rotate").disabled = !can.rotate;
  const sizes = can.sizes || [{ width: s.settings.width, height: s.settings.height }];
  const select = $("size");
  select.disabled = sizes.length < 2;
  const wanted = sizes.map((z) => size(z.width, z.height)).join();
  if (select.dataset.sizes !== wanted && document.activeElement !== select || !select.options.length) {
    select.dataset.sizes = wanted;
    select.replaceChildren(...sizes.map((z) => new Option(size(z.width, z.height))));
  }
  let fixed = "";
  if (!s.signal) fixed = "Nothing can be changed while there is no signal.";
  else if (!can.fps) fixed = "The program that makes the pictures decides about them.";
  else if (!can.quality) fixed = "The source's pictures are passed on as they are; what it cannot change is grey.";
  if ($("fixed").textContent !== fixed) $("fixed").textContent = fixed;
  $("fixed").hidden = !fixed;
  $("recording").hidden = !s.recording;
  if (s.recording) {
    $("archive").checked = s.recording.on;
    $("archive-state").textContent = s.recording.error ? s.recording.error : s.recording.on ? "to " + s.recording.dir : "";
  }
  show(s.settings);
}

function show(s) {
  const put = (id, set) => { if (!(now() - touched[id] < 2000)) set($(id)); };
  put("quality", (e) => { e.value = s.quality; $("quality-value").textContent = s.quality || "–"; });
  put("fps", (e) => {
    e.max = Math.max(60, s.fps);
    e.value = s.fps;
    $("fps-value").textContent = Number(s.fps.toFixed(1));
  });
  put("size", (e) => { e.value = s.width + "×" + s.height; });
  put("rotate", (e) => { e.value = s.rotate; });
  put("mirror", (e) => { e.checked = s.mirror; });
  put("flip", (e) => { e.checked = s.flip; });
}

// said is the server's answer; one that comes from before it, or from a proxy, may be plain text.
async function said(reply) {
  const text = await reply.text();
  try {
    return JSON.parse(text);
  } catch {
    return { error: text.trim() || reply.statusText };
  }
}

let wishes = {}, sending = false;
async function change(id, wish) {
  touched[id] = now();
  Object.assign(wishes, wish);
  if (sending) return; // a slider moves faster than the server answers: its newest place goes next
  sending = true;
  while (Object.keys(wishes).length) {
    const body = JSON.stringify(wishes);
    wishes = {};
    try {
      const reply = await ask("api/settings", { method: "PATCH", headers: { "Content-Type": "application/json" }, body });
      const answer = await said(reply);
      problem(reply.ok ? "" : "Not changed: " + answer.error);
      if (!reply.ok) touched[id] = 0;
      show(reply.ok ? answer : state.settings);
    } catch {
      touched[id] = 0;
      problem("Not changed: the connection was lost.");
    }
  }
  sending = false;
}

for (const id of ["quality", "fps"]) {
  $(id).addEventListener("input", (e) => {
    $(id + "-value").textContent = e.target.value;
    change(id, { [id]: Number(e.target.value) });
  });
}
$("size").addEventListener("change", (e) => {
  const [width, height] = e.target.value.split("×").map(Number);
  change("size", { width, height });
});
$("rotate").addEventListener("change", (e) => change("rotate", { rotate: Number(e.target.value) }));
for (const id of ["mirror", "flip"]) $(id).addEventListener("change", (e) => change(id, { [id]: e.target.checked }));
$("settings").addEventListener("submit", (e) => e.preventDefault());
$("archive").addEventListener("change", async (e) => {
  try {
    const reply = await ask("api/recording", { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ on: e.target.checked }) });
    problem(reply.ok ? "" : "Recording: " + (await said(reply)).error);
  } catch {
    problem("Recording: the connection was lost.");
  }
});

// --- Once a second: what was seen here, and whether all still runs.
const delays = []; // of the last minute, ms
let before = { at: now(), bytes: 0 };
setInterval(() => {
  const at = now(), seconds = (at - before.at) / 1000;
  const fps = drawn.frames / seconds, bytes = (total.bytes - before.bytes) / seconds;
  const sorted = drawn.delays.sort((a, b) => a - b);
  let delay = sorted.length && clock.error < 1000 ? Math.max(0, sorted[sorted.length >> 1]) : NaN;
  before = { at, bytes: total.bytes };
  drawn = { frames: 0, delays: [] };
  if (document.hidden) return;
  const put = (text, ...ids) => ids.forEach((id) => { $(id).textContent = text; });
  if (wrong.stream || wrong.signal || !total.frames) { // pictures that say "no signal" are not measured
    put("", "short-size", "short-fps", "short-delay");
    put("–", "seen-size", "seen-fps", "delay", "seen-bytes");
    delay = NaN;
  } else {
    put(canvas.width + "×" + canvas.height, "short-size", "seen-size");
    put(fps.toFixed(1) + " fps", "short-fps", "seen-fps");
    put(isNaN(delay) ? "" : Math.round(delay) + " ms", "short-delay");
    put(isNaN(delay) ? "–" : Math.round(delay) + " ms ± " + Math.max(1, Math.ceil(clock.error)), "delay");
    put(rate(bytes), "seen-bytes");
  }
  delays.push(delay);
  if (delays.length > 60) delays.shift();
  graph();
  if (at - heard > 5000) { // a network that is gone does not say so
    wrong.events = ["Connection lost.", "Trying again…"];
    notice();
    leave();
    unfollow();
    start();
  } else if (at - newest > 10000 && state && state.fps > 1) { // frames are made, but none come
    leave();
    watch();
  }
}, 1000);

function graph() {
  const most = Math.max(0, ...delays.filter((d) => d >= 0)) * 1.15;
  const top = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((t) => t >= most) || most;
  let line = "", area = "", from = NaN;
  delays.forEach((d, i) => {
    const x = 2 * i;
    if (isNaN(d)) { // a gap
      if (!isNaN(from)) area += "V36H" + from + "Z";
      from = NaN;
      return;
    }
    const point = x + " " + (36 - 36 * d / top).toFixed(1);
    line += (isNaN(from) ? "M" : "L") + point;
    area += (isNaN(from) ? "M" + x + " 36L" : "L") + point;
    if (isNaN(from)) from = x;
  });
  if (!isNaN(from)) area += "V36H" + from + "Z";
  $("graph").children[0].setAttribute("d", area);
  $("graph").children[1].setAttribute("d", line);
  $("graph-top").textContent = most ? Math.round(top) + " ms" : "";
}

// --- Buttons.
const stamp = (ms) => new Date(ms - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace(/\D/g, "").replace(/^(.{8})/, "$1-");
function save(blob, name) {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(blob);
  a.download = name;
  a.click();
  setTimeout(URL.revokeObjectURL, 60000, a.href);
}

$("snapshot").addEventListener("click", async (e) => {
  e.preventDefault();
  try {
    const reply = await ask("snapshot");
    if (!reply.ok) throw new Error(wrong.signal ? "there is no signal." : (await reply.text()).replace(/^snapshot: /, ""));
    save(await reply.blob(), "maixstream-" + stamp(Number(reply.headers.get("X-Timestamp")) * 1000) + ".jpg");
    problem("");
  } catch (error) {
    problem("No snapshot: " + (error instanceof TypeError ? "the connection was lost." : error.message)); // a TypeError is fetch's own
  }
});

let recorder = null;
function stopRecording() {
  if (recorder) recorder.stop();
}
if (window.MediaRecorder && canvas.captureStream) {
  $("record").hidden = false;
  $("record").addEventListener("click", () => {
    if (recorder) return stopRecording();
    const pieces = [], began = now(), label = $("record").querySelector("span");
    const type = ["video/webm;codecs=vp9", "video/webm", "video/mp4"].find((t) => MediaRecorder.isTypeSupported(t));
    try {
      recorder = new MediaRecorder(canvas.captureStream(), { mimeType: type, videoBitsPerSecond: 8e6 });
      recorder.start(1000);
    } catch (error) {
      recorder = null;
      return problem("No recording: " + error.message);
    }
    const tick = setInterval(() => {
      const s = Math.round((now() - began) / 1000);
      label.textContent = "Stop " + Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0");
    }, 1000);
    label.textContent = "Stop 0:00";
    $("record").setAttribute("aria-pressed", "true");
    recorder.ondataavailable = (e) => pieces.push(e.data);
    recorder.onstop = () => {
      clearInterval(tick);
      label.textContent = "Record";
      $("record").setAttribute("aria-pressed", "false");
      save(new Blob(pieces, { type: recorder.mimeType }), "maixstream-" + stamp(began) + (recorder.mimeType.includes("mp4") ? ".mp4" : ".webm"));
      recorder = null;
    };
  });
}

$("full").hidden = !document.fullscreenEnabled;
const full = () => (document.fullscreenElement ? document.exitFullscreen() : viewer.requestFullscreen()).catch((e) => problem("No full screen: " + e.message));
$("full").addEventListener("click", full);
canvas.addEventListener("dblclick", () => document.fullscreenEnabled && full());
document.addEventListener("fullscreenchange", () => {
  $("full").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
  stir();
});
let stillTimer;
function stir() { // in full screen the bar goes away while nobody moves
  viewer.classList.remove("still");
  clearTimeout(stillTimer);
  stillTimer = setTimeout(() => viewer.classList.add("still"), 3000);
}
for (const e of ["pointermove", "pointerdown", "keydown"]) document.addEventListener(e, stir);

function panel(open) {
  $("panel").hidden = !open;
  $("toggle").setAttribute("aria-expanded", String(open));
}
$("toggle").addEventListener("click", () => {
  panel($("panel").hidden);
  try { localStorage.setItem("panel", $("panel").hidden ? "closed" : "open"); } catch { /* not allowed: it is asked again next time */ }
});
let kept = null;
try { kept = localStorage.getItem("panel"); } catch { /* not allowed */ }
panel(kept ? kept === "open" : innerHeight > 480);

// --- A hidden tab asks for nothing: browsers allow six connections to a server, and a stream that nobody sees costs memory and the link.
function start() {
  follow();
  watch();
  compareClocks(4);
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return start();
  stopRecording();
  leave();
  unfollow();
});
if (!document.hidden) start();
