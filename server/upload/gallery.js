"use strict";
const $ = (id) => document.getElementById(id);
// Addresses are relative to the page's: behind a proxy it may stand at a path of its own. A token that the page was opened with goes along
// with everything that it asks for.
const token = new URLSearchParams(location.search).get("token");
const url = (path, more) => {
  const q = new URLSearchParams(more);
  if (token) q.set("token", token);
  return q.size ? path + "?" + q : path;
};
// The server asks nobody who sends this for a password in a window of the browser's.
const ask = (path, more) => fetch(url(path, more), { headers: { "X-Requested-With": "gallery" } });
const fileURL = (file) => url("files/" + file);
const devices = new Map(); // name -> { info, item, image, facts, shown }
let skew = 0; // this clock minus the server's, seconds

const clock = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const when = (seconds) => clock.format(new Date(seconds * 1000));
function age(seconds) {
  if (seconds < 2) return "now";
  if (seconds < 120) return Math.round(seconds) + " s ago";
  if (seconds < 7200) return Math.round(seconds / 60) + " min ago";
  if (seconds < 172800) return Math.round(seconds / 3600) + " h ago";
  return Math.round(seconds / 86400) + " days ago";
}
function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  for (; bytes >= 1000 && i < units.length - 1; i++) bytes /= 1000;
  return (bytes < 10 && i > 0 ? bytes.toFixed(1) : Math.round(bytes)) + " " + units[i];
}

// Pictures out of sight are not fetched.
const sight = new IntersectionObserver((entries) => {
  for (const e of entries) {
    const d = devices.get(e.target.dataset.device);
    if (d) { d.visible = e.isIntersecting; show(d); }
  }
}, { rootMargin: "200px" });

function add(info) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.device = info.name;
  const image = document.createElement("img");
  image.alt = "";
  const words = document.createElement("span");
  words.className = "words";
  const name = document.createElement("span");
  name.className = "name";
  name.textContent = info.name;
  const facts = document.createElement("span");
  facts.className = "facts";
  words.append(name, facts);
  button.append(image, words);
  button.addEventListener("click", () => view(info.name));
  item.append(button);
  const d = { info, item, button, image, facts, shown: "", visible: false };
  devices.set(info.name, d);
  // By name, as /devices has them.
  let next = null;
  for (const other of $("grid").children) {
    if (other.firstChild.dataset.device > info.name) { next = other; break; }
  }
  $("grid").insertBefore(item, next);
  sight.observe(button);
  return d;
}

function show(d) {
  if (!d.visible || document.hidden || d.shown === d.info.newest.file) return;
  d.shown = d.info.newest.file;
  // The old picture stays until the new one is there.
  const next = new Image();
  next.onload = () => { if (d.shown === next.file) d.image.src = next.src; };
  next.file = d.shown;
  next.src = fileURL(d.shown);
}

function words() {
  const now = Date.now() / 1000 - skew;
  let pictures = 0, bytes = 0;
  for (const d of devices.values()) {
    const old = now - d.info.arrived;
    pictures += d.info.pictures;
    bytes += d.info.bytes;
    const rate = d.info.fps >= 0.05 && old < 6 ? " · " + d.info.fps.toFixed(1) + "/s" : "";
    const text = age(old) + rate + " · " + d.info.pictures.toLocaleString() + " kept";
    if (d.facts.textContent !== text) d.facts.textContent = text;
  }
  $("summary").textContent = devices.size ? `${devices.size} device${devices.size === 1 ? "" : "s"} · ${pictures.toLocaleString()} pictures · ${size(bytes)}` : "";
  $("filter").hidden = devices.size < 8;
}

function news(n) {
  skew = Date.now() / 1000 - n.now;
  for (const name of n.gone || []) {
    const d = devices.get(name);
    if (d) { sight.unobserve(d.button); d.item.remove(); devices.delete(name); }
  }
  for (const info of n.devices || []) {
    let d = devices.get(info.name);
    if (d) d.info = info; else d = add(info);
    show(d);
    if (current && current.name === info.name) current.changed = true;
  }
  $("empty").hidden = devices.size > 0;
  filter();
  words();
}

// In the header, and before it where a device is shown.
const lost = (text) => { for (const id of ["notice", "lost"]) $(id).textContent = text; };
let events, quiet;
function listen() {
  if (events) events.close();
  events = null;
  if (document.hidden) return;
  events = new EventSource(url("events"));
  const fresh = events;
  let first = true;
  events.onmessage = (e) => {
    lost("");
    const n = JSON.parse(e.data);
    if (first) { // everything: whoever is not in it is gone
      const names = new Set((n.devices || []).map((d) => d.name));
      n.gone = [...devices.keys()].filter((name) => !names.has(name));
      first = false;
    }
    news(n);
  };
  events.onopen = () => lost("");
  events.onerror = () => {
    lost("connection lost, trying again");
    clearTimeout(quiet);
    first = true;
    if (fresh.readyState !== EventSource.CLOSED) return;
    quiet = setTimeout(async () => {
      if (events !== fresh) return;
      if (!token && (await ask("devices").catch(() => null))?.status === 401) location.reload(); // the session is over: the server shows its login form
      else listen();
    }, 2000);
  };
}

function filter() {
  const text = $("filter").firstChild.value.toLowerCase();
  for (const d of devices.values()) d.item.hidden = !d.info.name.toLowerCase().includes(text);
}
$("filter").firstChild.addEventListener("input", filter);

// One device, large: live, or its kept pictures over time.
let current = null; // { name, pictures, total, live, changed }
function view(name) {
  current = { name, pictures: [], total: 0, live: false, changed: false };
  $("title").textContent = name;
  $("view").showModal();
  setLive(true);
  load();
}
async function load() {
  const c = current;
  const spanSeconds = Number($("span").value);
  const q = { max: 1000 };
  const last = devices.get(c.name)?.info.last;
  if (spanSeconds && last) q.from = Math.max(0, last - spanSeconds);
  try {
    const reply = await ask("devices/" + encodeURIComponent(c.name) + "/pictures", q);
    if (!reply.ok) throw new Error((await reply.json()).error);
    const list = await reply.json();
    if (current !== c) return;
    const at = c.pictures[$("slider").value]?.file;
    c.pictures = list.pictures;
    c.total = list.total;
    c.changed = false;
    $("slider").max = Math.max(0, c.pictures.length - 1);
    $("slider").disabled = c.pictures.length < 2;
    const again = c.pictures.findIndex((p) => p.file === at);
    $("slider").value = c.live || again < 0 ? c.pictures.length - 1 : again;
    caption();
  } catch (e) {
    $("caption").textContent = "the list cannot be read: " + e.message;
  }
}
function setLive(on) {
  current.live = on;
  $("live").setAttribute("aria-pressed", on);
  if (on) {
    // The time makes it a new request: browsers join requests for one picture.
    $("large").src = document.hidden ? "data:," : url("stream/" + encodeURIComponent(current.name), { t: Date.now() });
    $("large").alt = "live picture of " + current.name;
    $("slider").value = $("slider").max;
    $("open").href = url("snapshot/" + encodeURIComponent(current.name));
  }
  caption();
}
function still(p) {
  if (current.live) setLive(false);
  current.still = p;
  $("large").src = fileURL(p.file);
  $("large").alt = current.name + ", " + when(p.time);
  $("open").href = fileURL(p.file);
  caption();
}
function caption() {
  const p = current.pictures[$("slider").value];
  const shown = current.live ? null : current.still;
  let text = current.live ? "live" : shown ? `${when(shown.time)} · ${size(shown.bytes)}` : "";
  text += ` · ${current.total.toLocaleString()} picture${current.total === 1 ? "" : "s"} in this span`;
  if (current.total > current.pictures.length) text += `, the timeline shows ${current.pictures.length} of them`;
  $("caption").textContent = text;
  $("slider").setAttribute("aria-valuetext", p ? when(p.time) : "no picture");
}
async function step(direction) { // exactly one picture, also between those of the timeline
  const c = current;
  const from = c.live ? devices.get(c.name)?.info.newest : c.still;
  if (!from) return;
  const reply = await ask("devices/" + encodeURIComponent(c.name) + "/pictures", { max: 1, [direction]: from.file }).catch(() => null);
  if (!reply?.ok || current !== c) return;
  const [p] = (await reply.json()).pictures;
  if (!p) { if (direction === "after") setLive(true); return; }
  still(p);
  let nearest = 0;
  c.pictures.forEach((q, i) => { if (q.time <= p.time) nearest = i; });
  $("slider").value = nearest;
}
$("slider").addEventListener("input", () => { const p = current.pictures[$("slider").value]; if (p) still(p); });
$("span").addEventListener("change", load);
$("live").addEventListener("click", () => { if (!current.live) { setLive(true); load(); } });
$("earlier").addEventListener("click", () => step("before"));
$("later").addEventListener("click", () => step("after"));
$("close").addEventListener("click", () => $("view").close());
$("view").addEventListener("close", () => {
  $("large").src = "data:,"; // ends the stream
  const d = current && devices.get(current.name);
  current = null;
  if (d) d.button.focus();
});
$("view").addEventListener("click", (e) => { if (e.target === $("view")) $("view").close(); });
$("view").addEventListener("keydown", (e) => {
  if (e.target.tagName === "INPUT" || e.target.tagName === "SELECT") return;
  if (e.key === "ArrowLeft") step("before");
  else if (e.key === "ArrowRight") step("after");
  else if (e.key === "l") setLive(true);
});
$("large").addEventListener("error", () => {
  if (!current || !current.live || document.hidden) return;
  const c = current;
  setTimeout(() => { if (current === c && c.live) setLive(true); }, 2000);
});
document.addEventListener("visibilitychange", () => { // a hidden tab's stream costs memory and a connection
  listen();
  if (current && current.live) setLive(true);
  for (const d of devices.values()) show(d);
});
$("example").textContent = `curl --data-binary @picture.jpg "${new URL("upload", location.href.split("?")[0])}?device=garden"`;
$("example2").textContent = `maixstream push --every 10s "${new URL("upload", location.href.split("?")[0])}?device=garden"`;
setInterval(() => { words(); if (current && current.changed && current.live) load(); }, 1000);
listen();
