// Problems and how the page reports them. The newest picture decides: while pictures arrive the page is live, whatever else fails.
const wrong = { stream: null, events: null, signal: null }; // [what, why]
const total = { frames: 0, bytes: 0 }; // received
let newest = 0; // when the newest picture arrived
let gap = 0; // longest interval between the last few pictures, in ms
let paused = false;
let offline = false; // neither pictures nor the state arrive

// frozenFor returns for how many ms the picture has been frozen although another one was due; 0: not frozen.
function frozenFor() {
  if (!total.frames || moving) return 0;
  const since = now() - newest;
  return since > Math.max(1500, 2.5 * expectedInterval()) ? since : 0;
}

// expectedInterval returns the expected ms between pictures: measured, or else from the settings. A program that has written one picture may write
// the next one tomorrow.
function expectedInterval() {
  if (gap) return gap;
  if (!state || !state.signal || !state.can.fps) return Infinity;
  return 1000 / Math.min(state.settings.fps, state.wanted_fps || Infinity);
}

let announced = "";
function notice() {
  const since = paused ? 0 : frozenFor(), silent = !total.frames || now() - newest > 1500;
  const lost = paused ? (now() - heard > 8000 ? wrong.events || lostConnection : null) : silent && wrong.stream || (since > 5000 || !total.frames) && wrong.events;
  const worst = lost || wrong.signal;
  stage.classList.toggle("stale", Boolean(lost) || since > 0);
  const text = worst ? worst.join("\n") : "";
  if (text !== announced) { // screen readers announce each change of a live region
    announced = text;
    const box = $("notice").firstElementChild;
    box.hidden = !worst;
    $("notice").classList.toggle("low", !lost && Boolean(wrong.signal)); // not over the picture's own words
    box.querySelector("strong").textContent = worst ? worst[0] : "";
    box.querySelector("span").textContent = worst ? worst[1] : "";
  }
  let status = "Live", look = "";
  if (lost) [status, look] = ["Offline", "lost"];
  else if (paused) [status, look] = ["Paused", "waiting"];
  else if (wrong.signal) [status, look] = ["No signal", "lost"];
  else if (!total.frames) [status, look] = ["Connecting", "waiting"];
  else if (since) [status, look] = ["Stalled, " + Math.floor(since / 1000) + " s", "lost"];
  else if (!moving && now() - newest > 5000) [status, look] = ["Picture of " + Math.floor((now() - newest) / 1000) + " s ago", "waiting"];
  put("live-text", status);
  if ($("live").className !== look) $("live").className = look;
  if (offline !== Boolean(lost)) {
    offline = Boolean(lost);
    if (state) { // controls are disabled while offline
      offer(state);
      followControls(state);
    }
  }
}

let problemTimer;
function problem(text) {
  const p = $("problem").firstElementChild;
  p.textContent = text;
  p.hidden = !text;
  clearTimeout(problemTimer);
  if (text) problemTimer = setTimeout(problem, 8000, "");
}
