// One device, large: live, or its stored pictures over time. The URL contains the device and the moment, so that it can be bookmarked and shared,
// and Back works.
let current = null; // { name, pictures, total, live, still, changed }

// go opens a device, or another moment of it, as a new history entry.
function go(name, at) {
  history.pushState(null, "", here(name, at));
  restore();
}

function here(name, at) {
  const query = {};
  if (name) query.device = name;
  if (at) query.at = at;
  return url("", query);
}

// restore shows the state in the URL.
async function restore() {
  const query = new URLSearchParams(location.search), name = query.get("device"), at = Number(query.get("at"));
  if (!name || !devices.has(name)) {
    if (name && arrivedOnce) lost("Device " + name + " no longer exists.");
    if ($("view").open) $("view").close();
    return;
  }
  if (!current || current.name !== name) view(name);
  if (!at) {
    if (!current.live) setLive(true);
    return load();
  }
  const c = current;
  const [p] = await pictures({ from: at, max: 1, after: "" }).catch(() => []);
  if (current === c && p) still(p, false);
  load();
}

function view(name) {
  current = { name, pictures: [], total: 0, live: false, still: null, changed: false };
  put("title", name);
  if (!$("view").open) $("view").showModal();
  setLive(true);
}

// pictures fetches a selection of the device's pictures.
async function pictures(query) {
  for (const name of Object.keys(query)) if (query[name] === "") delete query[name];
  const reply = await ask("devices/" + encodeURIComponent(current.name) + "/pictures", { query });
  if (!reply.ok) throw new Error(await refusal(reply));
  const list = await reply.json();
  return Object.assign(list.pictures, { total: list.total });
}

async function load() {
  const c = current, span = Number($("span").value), last = devices.get(c.name)?.info.last;
  const query = { max: 1000 };
  if (span && last) {
    const end = c.still ? Math.max(c.still.time, Math.min(last, c.still.time + span / 2)) : last;
    query.from = Math.max(0, end - span);
  }
  try {
    const list = await pictures(query);
    if (current !== c) return;
    c.pictures = list;
    c.total = list.total;
    c.changed = false;
    $("slider").max = Math.max(0, list.length - 1);
    $("slider").disabled = list.length < 2;
    place();
    thumbnails();
    caption();
  } catch (e) {
    put("caption", "the list cannot be read: " + e.message);
  }
}

// place moves the slider to the shown picture.
function place() {
  let nearest = current.pictures.length - 1;
  if (!current.live && current.still) {
    nearest = 0;
    current.pictures.forEach((p, i) => { if (p.time <= current.still.time + 0.0005) nearest = i; });
  }
  $("slider").value = nearest;
}

// thumbnails are pictures spread evenly along the timeline.
function thumbnails() {
  const list = current.pictures, room = Math.max(3, Math.min(12, Math.floor($("bottom").clientWidth / 90))), n = Math.min(room, list.length);
  $("strip").hidden = n < 2;
  const wanted = Array.from({ length: n }, (_, i) => list[Math.round(i * (list.length - 1) / Math.max(1, n - 1))]);
  const key = wanted.map((p) => p.file).join();
  if (n < 2 || $("strip").dataset.files === key) return;
  $("strip").dataset.files = key;
  $("strip").replaceChildren(...wanted.map((p) => {
    const button = document.createElement("button"), image = document.createElement("img");
    button.type = "button";
    button.setAttribute("aria-label", "Show " + when(p.time));
    button.title = when(p.time);
    image.alt = "";
    image.src = fileURL(p.file);
    button.append(image);
    button.addEventListener("click", () => still(p));
    return button;
  }));
}

function setLive(on) {
  stopPlaying();
  current.live = on;
  $("live").setAttribute("aria-pressed", on);
  if (on) {
    current.still = null;
    // The time makes the request unique: browsers share one request per URL.
    $("large").src = document.hidden ? "data:," : url("stream/" + encodeURIComponent(current.name), { t: Date.now() });
    $("slider").value = $("slider").max;
    links(url("snapshot/" + encodeURIComponent(current.name)), current.name + ".jpg");
  }
  $("delete").disabled = on;
  caption();
}

function links(address, name) {
  $("open").href = $("download").href = address;
  $("download").download = name;
}

// still shows a stored picture. Switching from live adds a history entry, moving within the past does not.
function still(p, keep = true) {
  const was = current.live;
  if (was) setLive(false);
  current.still = p;
  if (keep) history[was ? "pushState" : "replaceState"](null, "", here(current.name, p.time));
  $("large").src = fileURL(p.file);
  links(fileURL(p.file), p.file.replaceAll("/", "_"));
  place();
  caption();
}

// fresh reports whether the device is sending: it is live until a few pictures in a row are overdue. News of a picture takes up to newsEvery.
// A device that sends a picture every few seconds or less often is never live for long: the age of its newest picture says more.
function fresh(info) {
  const old = Date.now() / 1000 - skew - info.arrived;
  return old < newsEvery() + Math.max(1.5, Math.min(10, info.fps > 0 ? 3 / info.fps : 0));
}

function caption() {
  const c = current, info = devices.get(c.name)?.info, p = c.pictures[$("slider").value];
  let text = "";
  if (c.live && info) {
    const alive = fresh(info), old = Date.now() / 1000 - skew - info.arrived;
    text = alive ? "live" : "newest " + age(old);
    put("live", alive ? "Live" : "Newest");
    $("large").alt = (alive ? "live picture of " : "newest picture of ") + c.name;
  } else if (c.still) {
    text = when(c.still.time) + " · " + size(c.still.bytes);
    put("live", info && fresh(info) ? "Live" : "Newest");
    $("large").alt = c.name + ", " + when(c.still.time);
  }
  text += ` · ${c.total.toLocaleString()} picture${c.total === 1 ? "" : "s"} in this span`;
  if (c.total > c.pictures.length) text += `, the timeline shows ${c.pictures.length.toLocaleString()} of them`;
  put("caption", text);
  $("slider").setAttribute("aria-valuetext", p ? when(p.time) : "no picture");
}

async function step(direction) { // exactly one picture, including those not on the timeline
  const c = current;
  const from = c.live ? devices.get(c.name)?.info.newest : c.still;
  if (!from) return;
  const [p] = await pictures({ max: 1, [direction]: from.file }).catch(() => [null]);
  if (current !== c || p === null) return;
  if (p) still(p);
  else if (direction === "after") newest();
}

// newest returns from the past to live.
function newest() {
  if (current.live) return;
  history.pushState(null, "", here(current.name));
  setLive(true);
  load();
}

// Playing shows the timeline's pictures in turn, each for a tenth of a second, or as long as it takes to load.
let playing = null;
function stopPlaying() {
  playing = null;
  put("play", "Play");
  $("play").setAttribute("aria-pressed", "false");
}
async function play() {
  if (playing) return stopPlaying();
  const c = current, run = playing = {};
  let i = Number($("slider").value);
  if (c.live || i >= c.pictures.length - 1) i = -1; // start from the beginning
  if (c.live) setLive(false), playing = run;
  put("play", "Stop");
  $("play").setAttribute("aria-pressed", "true");
  while (playing === run && current === c && ++i < c.pictures.length) {
    const next = new Image();
    next.src = fileURL(c.pictures[i].file);
    await Promise.all([next.decode().catch(() => {}), sleep(100)]); // skip one that was deleted
    if (playing === run && current === c) still(c.pictures[i]);
  }
  if (playing === run) stopPlaying();
}

async function remove() {
  const c = current, p = c.still;
  if (!p || !confirm("Delete the picture of " + when(p.time) + "?")) return;
  try {
    const reply = await ask("files/" + p.file, { method: "DELETE" });
    if (!reply.ok && reply.status !== 404) throw new Error(await refusal(reply));
  } catch (e) {
    return put("caption", "Not deleted: " + (e instanceof TypeError ? "the connection was lost." : e.message));
  }
  if (current !== c) return;
  await step("after");
  if (current === c && c.still === p) await step("before");
  if (current === c) load();
}

const full = () => (document.fullscreenElement ? document.exitFullscreen() : $("stage").requestFullscreen()).catch((e) => put("caption", "No full screen: " + e.message));
$("full").hidden = !document.fullscreenEnabled;
$("full").addEventListener("click", full);
$("large").addEventListener("dblclick", full);
$("slider").addEventListener("input", () => {
  stopPlaying();
  const p = current.pictures[$("slider").value];
  if (p) still(p);
});
$("span").addEventListener("change", load);
$("live").addEventListener("click", newest);
$("play").addEventListener("click", play);
$("delete").addEventListener("click", remove);
for (const [id, direction] of [["earlier", "before"], ["later", "after"]]) {
  $(id).addEventListener("click", () => {
    stopPlaying();
    step(direction);
  });
}
$("close").addEventListener("click", () => $("view").close());
$("view").addEventListener("close", () => {
  stopPlaying();
  $("large").src = "data:,"; // ends the stream
  const d = current && devices.get(current.name);
  current = null;
  if (new URLSearchParams(location.search).get("device")) history.pushState(null, "", here());
  if (d) d.button.focus();
});
addEventListener("popstate", restore);
$("view").addEventListener("click", (e) => { if (e.target === $("view")) $("view").close(); });
$("view").addEventListener("keydown", (e) => {
  if (e.target.tagName === "INPUT" || e.target.tagName === "SELECT" || e.ctrlKey || e.altKey || e.metaKey) return;
  const keys = { ArrowLeft: () => step("before"), ArrowRight: () => step("after"), l: newest, f: full };
  if (keys[e.key]) keys[e.key]();
});
$("large").addEventListener("error", () => {
  if (!current || !current.live || document.hidden) return;
  const c = current;
  setTimeout(() => { if (current === c && c.live) setLive(true); }, 2000);
});
setInterval(() => {
  words();
  if (current && current.changed && current.live) load();
}, 1000);
setInterval(() => { if (current) caption(); }, 250);
listen();
