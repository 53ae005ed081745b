// Keyboard shortcuts. Single keys can be switched off: users of speech input (or cats) press them inadvertently
// (WCAG 2.2, 2.1.4).
const shortcuts = [
  ["f", "Full screen", () => document.fullscreenEnabled && full()],
  ["s", "Snapshot", () => $("snapshot").click()],
  ["r", "Start or stop recording", () => $("record").hidden || $("record").click()],
  [" ", "Pause or resume", () => $("pause").click(), "Space"],
  ["+", "Zoom in", () => zoomStep(1.25)],
  ["-", "Zoom out", () => zoomStep(0.8)],
  ["0", "Whole picture", () => $("unzoom").click()],
  ["ArrowLeft", "Move around the zoomed picture", () => move(60, 0), "← ↑ → ↓"],
  ["ArrowRight", "", () => move(-60, 0)],
  ["ArrowUp", "", () => move(0, 60)],
  ["ArrowDown", "", () => move(0, -60)],
  ["?", "Shortcuts", () => $("help").showModal()],
];
let singleKeys = recall("keys") !== "off";

document.addEventListener("keydown", (e) => {
  if (!singleKeys || e.ctrlKey || e.altKey || e.metaKey || document.querySelector("dialog[open]")) return;
  if (e.target.closest("input, select, textarea")) return; // these handle keys themselves
  const arrow = e.key.startsWith("Arrow");
  if (e.key === " " && e.target.closest("button, a, summary") || arrow && (zoom.by === 1 || e.target.closest("#panel"))) return;
  const found = shortcuts.find(([key]) => key === (arrow ? e.key : e.key.toLowerCase()));
  if (!found || e.repeat && !arrow) return;
  e.preventDefault();
  found[2]();
});

for (const [key, what, , name] of shortcuts) {
  if (!what) continue;
  const row = document.createElement("div"), term = document.createElement("dt"), text = document.createElement("dd"), cap = document.createElement("kbd");
  cap.textContent = name || key.toUpperCase();
  term.append(cap);
  text.textContent = what;
  row.append(term, text);
  $("keys").append(row);
}
$("single").checked = singleKeys;
$("single").addEventListener("change", (e) => {
  singleKeys = e.target.checked;
  remember("keys", singleKeys ? "on" : "off");
});

// Dialogs: each opens from the button that names it, and closes with its own button, Esc, or a click outside.
for (const dialog of document.querySelectorAll("dialog")) {
  $("open-" + dialog.id).addEventListener("click", () => dialog.showModal());
  dialog.addEventListener("click", (e) => { if (e.target === dialog) dialog.close(); });
}
