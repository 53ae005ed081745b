// The camera's controls: exposure, white balance, focus, zoom. Only those that the source has are shown.
const controls = new Map(); // name -> its row
let controlsAsked = ""; // source and version of the last fetch

const words = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");

// followControls fetches the controls when the state reports a different source or version.
async function followControls(s) {
  $("camera-set").disabled = offline || !s.signal;
  const current = s.source.name + " " + s.controls_version;
  if (current === controlsAsked || !s.signal || offline) return;
  controlsAsked = current;
  try {
    const reply = await ask("api/controls");
    if (reply.ok && controlsAsked === current) {
      showControls((await reply.json()).controls);
    } else if (!reply.ok) {
      controlsAsked = ""; // retry with the next state
    }
  } catch {
    controlsAsked = "";
  }
}

// inUnit formats a number in the customary unit.
function inUnit(v, unit) {
  switch (unit) {
    case "1/1024": return (v / 1024).toFixed(2) + "×";
    case "EV/1000": return (v > 0 ? "+" : "") + (v / 1000).toFixed(1) + " EV";
    case "µs": return (v / 1000).toFixed(v < 10000 ? 2 : 1) + " ms";
    case "100 µs": return (v / 10).toFixed(1) + " ms";
  }
  return v + (unit ? " " + unit : "");
}

function showControls(list) {
  $("camera").hidden = !list.length;
  const names = list.map((c) => c.name + c.kind).join(" ");
  if ($("controls").dataset.names !== names) {
    $("controls").dataset.names = names;
    controls.clear();
    $("controls").replaceChildren(...list.map(makeControl));
  }
  for (const c of list) setControl(controls.get(c.name), c, list);
  $("camera-reset").disabled = !list.some((c) => c.value !== undefined && c.value !== c.default && !c.locked);
}

function makeControl(c) {
  const row = document.createElement("div"), label = document.createElement("label"), id = "control-" + c.name;
  row.className = c.kind === "boolean" ? "row switch control" : "row control";
  label.htmlFor = id;
  label.textContent = c.label || words(c.name);
  let input;
  if (c.kind === "menu") {
    input = document.createElement("select");
    input.append(...c.menu.map((m) => new Option(m.name, m.value)));
  } else if (c.kind === "button") {
    input = document.createElement("button");
    input.type = "button";
    input.className = "button";
    input.textContent = "Run";
  } else {
    input = document.createElement("input");
    input.type = c.kind === "boolean" ? "checkbox" : "range";
    if (c.kind === "boolean") input.setAttribute("role", "switch");
  }
  input.id = id;
  input.setAttribute("aria-describedby", id + "-why");
  const value = document.createElement("output"), reset = document.createElement("button"), why = document.createElement("p");
  value.htmlFor = id;
  reset.type = "button";
  reset.className = "reset";
  reset.textContent = "↺";
  reset.title = "Default";
  reset.setAttribute("aria-label", "Default: " + label.textContent);
  why.id = id + "-why";
  why.className = "quiet small why";
  const own = { row, input, value, reset, why, moved: 0 };
  controls.set(c.name, own);
  input.addEventListener(c.kind === "button" ? "click" : "input", () => {
    own.moved = now();
    const v = c.kind === "boolean" ? Number(input.checked) : c.kind === "button" ? 1 : Number(input.value);
    if (c.kind === "integer") value.value = inUnit(v, c.unit);
    changeControls({ [c.name]: v }, c.kind === "integer");
  });
  reset.addEventListener("click", () => changeControls({ [c.name]: null }));
  const line = document.createElement("span");
  line.className = "value";
  line.append(value, reset);
  row.append(label, ...(c.kind === "boolean" ? [line, input] : c.kind === "button" ? [input] : [line, input]), why);
  return row;
}

// A 64-bit control may exceed the range of exact numbers in JavaScript.
const exact = (n) => Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, n));

function setControl(own, c, list) {
  const { input } = own, moving = now() - own.moved < 1500;
  if (c.kind === "integer") [input.min, input.max, input.step] = [exact(c.minimum), exact(c.maximum), c.step];
  if (!moving) {
    if (c.kind === "boolean") input.checked = c.value === 1;
    else if (c.kind !== "button") input.value = c.value;
    if (c.kind === "integer") own.value.value = inUnit(c.value, c.unit);
  }
  const manager = list.find((other) => other.name === c.automatic);
  const pans = c.name === "pan_absolute" || c.name === "tilt_absolute"; // a view that is not zoomed cannot be moved
  const why = c.locked || (!c.inactive ? "" : manager ? "Managed by " + (manager.label || words(manager.name)) : pans ? "Zoom in first" : "No effect at present");
  input.disabled = Boolean(why);
  own.row.classList.toggle("resting", Boolean(why));
  if (own.why.textContent !== why) own.why.textContent = why;
  own.why.hidden = !why;
  own.reset.hidden = c.value === undefined || c.value === c.default || Boolean(c.locked);
}

// A dragged slider sends its value a few times per second, and its final position.
let controlWishes = {}, settingControls = false, slideTimer;
function changeControls(change, sliding) {
  Object.assign(controlWishes, change);
  clearTimeout(slideTimer);
  if (sliding) slideTimer = setTimeout(sendControls, 150);
  else sendControls();
}

async function sendControls() {
  if (settingControls || !Object.keys(controlWishes).length) return;
  const change = controlWishes;
  controlWishes = {};
  settingControls = true;
  try {
    const reply = await ask("api/controls", { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify(change) });
    for (const name of Object.keys(change)) if (controls.has(name) && !(name in controlWishes)) controls.get(name).moved = 0;
    if (reply.ok) {
      showControls((await reply.json()).controls);
    } else {
      problem(await refusal(reply));
      controlsAsked = "";
      if (state) followControls(state);
    }
  } catch {
    problem("No connection to the camera: nothing was changed.");
  }
  settingControls = false;
  sendControls();
}

$("camera-reset").addEventListener("click", () => changeControls(Object.fromEntries([...controls].filter(([, own]) => !own.reset.hidden).map(([name]) => [name, null]))));
