// The beginning, and what runs all the time. A hidden tab asks for nothing: a stream that nobody sees costs memory and the link.
function start() {
  newest = heard = now(); // time that nobody looked is no standstill
  if (paused) return;
  join();
  compareClocks(4);
}

setInterval(() => {
  if (!document.hidden) notice();
}, 250);

setInterval(() => {
  measure();
  if (document.hidden) return;
  callRoll();
  poll();
  choose();
  if (paused || !crew.role) return;
  const silent = now() - newest, at = now();
  if (at - heard > 5000 && (silent > 5000 || !total.frames)) { // a network that is gone does not say so
    wrong.events = wrong.events || lostConnection;
    notice();
    if (crew.role === "lead" && at - restarted > 5000) restart();
  } else if (crew.role === "lead" && silent > 10000 && state && state.fps > 1 && at - restarted > 10000) { // frames are made, but none come
    restart();
  }
}, 1000);

let restarted = 0;
function restart() {
  restarted = now();
  leave();
  unfollow();
  follow();
  begin();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return start();
  stopRecording();
  part();
});
addEventListener("pagehide", part); // who leads in another window then takes over at once
addEventListener("pageshow", (e) => e.persisted && !document.hidden && start());
if (!document.hidden) start();
