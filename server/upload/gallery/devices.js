// The devices, with the newest picture of each.
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
  button.addEventListener("click", () => go(info.name));
  item.append(button);
  const d = { info, item, button, image, facts, shown: "", visible: false };
  devices.set(info.name, d);
  // In the order of /devices: by name.
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
  // Keep the old picture until the new one has loaded.
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
  if (!arrivedOnce) arrivedOnce = true, restore(); // the URL may name a device
}
let arrivedOnce = false;

// In the page's header, and in that of the open device.
const lost = (text) => { for (const id of ["notice", "lost"]) $(id).textContent = text; };
let events, quiet;
const newsEvery = () => authorization ? 2 : 1; // seconds
function listen() {
  if (events) events.close();
  events = null;
  if (document.hidden) return;
  events = authorization ? null : new EventSource(url("events")); // an EventSource cannot send headers
  if (!events) return pollDevices();
  const fresh = events;
  let first = true;
  events.onmessage = (e) => {
    lost("");
    const n = JSON.parse(e.data);
    if (first) { // complete: devices that are missing are gone
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
      await ask("devices").catch(() => null); // shows the login form if the session has expired
      listen();
    }, 2000);
  };
}

// pollDevices polls for what events would report.
async function pollDevices() {
  try {
    const reply = await ask("devices");
    if (!reply.ok) throw new Error(await refusal(reply));
    const { devices: list } = await reply.json(), names = new Set(list.map((d) => d.name));
    lost("");
    const youngest = Math.max(0, ...list.map((d) => d.arrived + d.age_seconds));
    news({ now: youngest || Date.now() / 1000, devices: list, gone: [...devices.keys()].filter((name) => !names.has(name)) });
  } catch (e) {
    lost(e instanceof TypeError ? "connection lost, trying again" : e.message);
  }
  clearTimeout(quiet);
  if (!document.hidden) quiet = setTimeout(pollDevices, newsEvery() * 1000);
}

function filter() {
  const text = $("filter").firstChild.value.toLowerCase();
  for (const d of devices.values()) d.item.hidden = !d.info.name.toLowerCase().includes(text);
}
$("filter").firstChild.addEventListener("input", filter);


document.addEventListener("visibilitychange", () => { // a hidden tab's stream costs memory and a connection
  listen();
  if (current && current.live) setLive(true);
  for (const d of devices.values()) show(d);
});
put("example", `curl --data-binary @picture.jpg "${new URL("upload", home)}?device=garden"`);
put("example2", `maixstream push --every 10s "${new URL("upload", home)}?device=garden"`);
