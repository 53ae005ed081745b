// Startup, and the periodic work. A hidden tab requests nothing: a stream that nobody sees costs memory and bandwidth.
function start() {
  newest = heard = now(); // hidden time does not count as a stall
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
  heartbeat();
  poll();
  choose();
  if (paused || !group.role) return;
  const silent = now() - newest, at = now();
  if (at - heard > 5000 && (silent > 5000 || !total.frames)) { // a dead network does not report itself
    wrong.events = wrong.events || lostConnection;
    notice();
    if (group.role === "lead" && at - restarted > 5000) restart();
  } else if (group.role === "lead" && silent > 10000 && state && state.fps > 1 && at - restarted > 10000) { // frames are made, but none arrive
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
addEventListener("pagehide", part); // another window takes over immediately
addEventListener("pageshow", (e) => e.persisted && !document.hidden && start());
if (!document.hidden) start();
