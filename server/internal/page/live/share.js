// Windows of one browser share one stream. Browsers allow six connections per host over HTTP/1.1, and a visible window uses two:
// with three windows no change and no snapshot would get through. One window leads: it holds the connections and passes on what it receives.
// Neither Web Locks (not over plain HTTP) nor SharedWorker (not on Android) is reliable, so the windows agree by messages:
// the one that has led longest leads.
const channel = "BroadcastChannel" in window ? new BroadcastChannel("maixstream " + url("")) : null;
const me = Math.random().toString(36).slice(2);
const crew = { role: "", since: 0, leader: "", heard: 0, others: new Map() }; // role "": not taking part; others: followers and when each last reported

const say = (message) => channel && channel.postMessage({ from: me, ...message });

// share passes a message on to the followers.
function share(message) {
  if (crew.role === "lead" && crew.others.size) say(message);
}

async function join() {
  if (crew.role) return;
  crew.role = "join";
  if (channel) {
    say({ hello: true });
    // Others answer within milliseconds. A slow one may be missed: then two lead until they hear of each other.
    await sleep(60);
  }
  if (crew.role === "join") lead();
}

function lead() {
  Object.assign(crew, { role: "lead", since: now(), leader: me });
  crew.others.clear();
  say({ lead: crew.since });
  follow();
  begin();
}

// part leaves; a follower takes over.
function part() {
  if (crew.role === "lead") say({ bye: true, led: true });
  else if (crew.role === "follow") say({ bye: true });
  unfollow();
  leave();
  crew.role = "";
}

if (channel) channel.onmessage = ({ data: m }) => {
  if (!crew.role) return;
  if (m.hello && crew.role === "lead") {
    crew.others.set(m.from, now());
    say({ lead: crew.since, to: m.from, state, way: way.now });
  }
  if (m.here === me && crew.role === "lead") crew.others.set(m.from, now());
  if (m.unable && crew.role === "lead") choice.failed(now(), m.unable);
  if (m.bye) {
    crew.others.delete(m.from);
    if (m.led && crew.role === "follow" && m.from === crew.leader) elect(0);
  }
  if (m.lead) heardLeader(m);
  if (crew.role !== "follow" || m.from !== crew.leader) return;
  crew.heard = now();
  if (m.way) go(m.way);
  if (m.jpeg) took(m.jpeg, m.captured);
  if (m.mp4) tookFragment(m);
  if (m.state) update(m.state);
  if (m.why) {
    wrong.stream = m.why;
    notice();
  }
};

function heardLeader(m) {
  if (crew.role === "follow" && m.from === crew.leader) return;
  const older = m.lead < crew.since || m.lead === crew.since && m.from < me;
  if (crew.role === "lead" && !older) return say({ lead: crew.since }); // the other one gives way
  if (crew.role === "lead") unfollow(), leave();
  Object.assign(crew, { role: "follow", leader: m.from, heard: now() });
  say({ here: m.from });
}

// elect looks for a leader again, after a random delay.
async function elect(after) {
  crew.role = "";
  await sleep(after + 50 * Math.random());
  if (!document.hidden && !paused) join();
}

// callRoll drops windows that have vanished; once per second.
function callRoll() {
  if (crew.role === "lead") {
    for (const [id, at] of crew.others) if (now() - at > 4000) crew.others.delete(id);
    if (crew.others.size) say({ lead: crew.since, way: way.now });
  }
  if (crew.role !== "follow") return;
  if (now() - crew.heard > 3000) elect(0);
  else say({ here: crew.leader });
}
