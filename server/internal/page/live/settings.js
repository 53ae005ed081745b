// Settings: only what the source supports is enabled, and only while the server answers.
const touched = {}; // when the user moved each control: it is not reset meanwhile

function offer(s) {
  const can = s.signal && !offline ? s.can : {};
  $("quality").disabled = !can.quality;
  $("fps").disabled = !can.fps;
  $("mirror").disabled = $("flip").disabled = !can.orient;
  $("rotate").disabled = !can.rotate;
  $("archive").disabled = offline;
  offerSizes(s, can);
  let fixed = "";
  if (offline) fixed = "Settings cannot be changed while disconnected.";
  else if (!s.signal) fixed = "Settings cannot be changed without a signal.";
  else if (!can.fps) fixed = "The settings are up to the program that makes the pictures.";
  else if (!can.quality) fixed = "The source's pictures are passed through; what it cannot change is disabled.";
  put("fixed", fixed);
  $("fixed").hidden = !fixed;
  $("until").hidden = Boolean(fixed);
  $("keeping").hidden = Boolean(fixed) && !can.fps || s.settings_kept === undefined;
  $("keep").disabled = offline;
  if (!(now() - touched.keep < 2000)) $("keep").checked = Boolean(s.settings_kept);
  put("until", s.settings_kept ? "Changes are kept across restarts." : "Changes last until the server restarts.");
  $("recording").hidden = !s.recording;
  if (s.recording) {
    if (!(now() - touched.archive < 2000)) $("archive").checked = s.recording.on;
    put("archive-state", s.recording.error ? s.recording.error : s.recording.on ? s.recording.as.toUpperCase() + " to " + s.recording.dir : "");
  }
  show(s.settings);
}

// offerSizes lists the sizes with the estimated cost per viewer: the current data rate, scaled by pixels and wanted frame rate.
function offerSizes(s, can) {
  const select = $("size");
  const sizes = can.sizes || [{ width: s.settings.width, height: s.settings.height }];
  select.disabled = sizes.length < 2;
  const pixel = s.signal && s.fps > 0.5 ? s.bytes_per_second / s.fps / (s.settings.width * s.settings.height) : 0; // bytes per pixel
  const name = (z) => z.width + "×" + z.height;
  const cost = (z) => {
    const bytes = pixel * z.width * z.height * s.settings.fps;
    return bytes && sizes.length > 1 ? " · ≈ " + roughly(bytes) : "";
  };
  const wanted = sizes.map(name).join();
  if (select.dataset.sizes !== wanted && document.activeElement !== select || !select.options.length) {
    select.dataset.sizes = wanted;
    select.replaceChildren(...sizes.map((z) => new Option(name(z), name(z))));
  }
  if (document.activeElement === select) return; // do not update an open list
  sizes.forEach((z, i) => {
    const option = select.options[i], text = name(z) + cost(z);
    if (option && option.value === name(z) && option.text !== text) option.text = text;
  });
}

// roughly rounds to two digits: it is an estimate, and should not change every second.
function roughly(bytes) {
  const step = 10 ** (Math.floor(Math.log10(bytes)) - 1), n = Math.round(bytes / step) * step;
  return n >= 1e6 ? (n / 1e6).toFixed(n < 1e7 ? 1 : 0) + " MB/s" : Math.round(n / 1e3) + " kB/s";
}

function show(s) {
  const set = (id, to) => { if (offline || !(now() - touched[id] < 2000)) to($(id)); };
  set("quality", (e) => {
    e.value = s.quality;
    put("quality-value", String(s.quality || "–"));
  });
  set("fps", (e) => {
    e.max = Math.max(60, s.fps);
    e.value = s.fps;
    put("fps-value", String(Number(s.fps.toFixed(1))));
  });
  set("size", (e) => { e.value = s.width + "×" + s.height; });
  set("rotate", (e) => { e.value = s.rotate; });
  set("mirror", (e) => { e.checked = s.mirror; });
  set("flip", (e) => { e.checked = s.flip; });
}

let wishes = {}, sending = false;
async function change(id, wish) {
  touched[id] = now();
  Object.assign(wishes, wish);
  if (sending) return; // a slider moves faster than the server answers: its latest position is sent next
  sending = true;
  while (Object.keys(wishes).length) {
    const body = JSON.stringify(wishes);
    wishes = {};
    try {
      const reply = await ask("api/settings", { method: "PATCH", headers: { "Content-Type": "application/json" }, body });
      problem(reply.ok ? "" : "Not changed: " + await refusal(reply));
      if (reply.ok) {
        const { keep, ...settings } = await reply.json();
        Object.assign(state, { settings, settings_kept: keep });
      } else {
        touched[id] = 0;
      }
    } catch {
      touched[id] = 0;
      problem("Not changed: the connection was lost.");
    }
    show(state.settings);
  }
  sending = false;
}

for (const id of ["quality", "fps"]) {
  $(id).addEventListener("input", (e) => {
    put(id + "-value", e.target.value);
    change(id, { [id]: Number(e.target.value) });
  });
}
$("size").addEventListener("change", (e) => {
  const [width, height] = e.target.value.split("×").map(Number);
  change("size", { width, height });
});
$("rotate").addEventListener("change", (e) => change("rotate", { rotate: Number(e.target.value) }));
$("keep").addEventListener("change", (e) => change("keep", { keep: e.target.checked }));
for (const id of ["mirror", "flip"]) $(id).addEventListener("change", (e) => change(id, { [id]: e.target.checked }));
$("settings").addEventListener("submit", (e) => e.preventDefault());
$("archive").addEventListener("change", async (e) => {
  touched.archive = now();
  try {
    const reply = await ask("api/recording", { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ on: e.target.checked }) });
    problem(reply.ok ? "" : "Recording: " + await refusal(reply));
    if (reply.ok) return;
  } catch {
    problem("Recording: the connection was lost.");
  }
  touched.archive = 0;
  offer(state);
});
