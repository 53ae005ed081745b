// Windows of one browser share one stream. Browsers allow six connections per host over HTTP/1.1, and a visible window uses two:
// with three windows no change and no snapshot would get through. One window leads: it holds the connections and passes on what it receives.
// Neither Web Locks (not over plain HTTP) nor SharedWorker (not on Android) is reliable, so the windows agree by messages:
// the one that has led longest leads.
const channel = "BroadcastChannel" in window ? new BroadcastChannel("maixstream " + url("")) : null;
const me = Math.random().toString(36).slice(2);
const group = { role: "", since: 0, leader: "", heard: 0, others: new Map() }; // role "": not taking part; others: followers and when each last reported

const say = (message) => channel && channel.postMessage({ from: me, ...message });

// share passes a message on to the followers.
function share(message) {
  if (group.role === "lead" && group.others.size) say(message);
}

async function join() {
  if (group.role) return;
  group.role = "join";
  if (channel) {
    say({ hello: true });
    // Others answer within milliseconds. A slow one may be missed: then two lead until they hear of each other.
    await sleep(60);
  }
  if (group.role === "join") lead();
}

function lead() {
  Object.assign(group, { role: "lead", since: now(), leader: me });
  group.others.clear();
  say({ lead: group.since });
  follow();
  begin();
}

// part leaves; a follower takes over.
function part() {
  if (group.role === "lead") say({ bye: true, led: true });
  else if (group.role === "follow") say({ bye: true });
  unfollow();
  leave();
  group.role = "";
}

if (channel) channel.onmessage = ({ data: m }) => {
  if (!group.role) return;
  if (m.hello && group.role === "lead") {
    group.others.set(m.from, now());
    say({ lead: group.since, to: m.from, state, way: way.now });
  }
  if (m.here === me && group.role === "lead") group.others.set(m.from, now());
  if (m.unable && group.role === "lead") choice.failed(now(), m.unable);
  if (m.bye) {
    group.others.delete(m.from);
    if (m.led && group.role === "follow" && m.from === group.leader) elect(0);
  }
  if (m.lead) heardLeader(m);
  if (group.role !== "follow" || m.from !== group.leader) return;
  group.heard = now();
  if (m.way) go(m.way);
  if (m.jpeg) receivedJPEG(m.jpeg, m.captured);
  if (m.mp4) onFragment(m);
  if (m.state) update(m.state);
  if (m.why) {
    wrong.stream = m.why;
    notice();
  }
};

function heardLeader(m) {
  if (group.role === "follow" && m.from === group.leader) return;
  const older = m.lead < group.since || m.lead === group.since && m.from < me;
  if (group.role === "lead" && !older) return say({ lead: group.since }); // the other one gives way
  if (group.role === "lead") unfollow(), leave();
  Object.assign(group, { role: "follow", leader: m.from, heard: now() });
  say({ here: m.from });
}

// elect looks for a leader again, after a random delay.
async function elect(after) {
  group.role = "";
  await sleep(after + 50 * Math.random());
  if (!document.hidden && !paused) join();
}

// heartbeat announces this window and drops vanished ones, once per second.
function heartbeat() {
  if (group.role === "lead") {
    for (const [id, at] of group.others) if (now() - at > 4000) group.others.delete(id);
    if (group.others.size) say({ lead: group.since, way: way.now });
  }
  if (group.role !== "follow") return;
  if (now() - group.heard > 3000) elect(0);
  else say({ here: group.leader });
}
