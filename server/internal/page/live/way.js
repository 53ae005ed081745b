// How this window receives its pictures, and switching: the old way continues until the new one has delivered a picture. The leading window
// (share.js) chooses, and the others follow.
const way = { now: "jpeg", next: "", since: 0, wish: "auto", last: "jpeg" }; // next: being started, since; last: before this window was hidden
const choice = chooser();
let video = null, nextVideo = null; // shown; being started
let probe = null; // { count, began }: reading JPEGs during video, to measure what the link carries
const names = { jpeg: "JPEG", mse: "Video over HTTP", webrtc: "Video over WebRTC" };

const leads = () => group.role === "lead";

// begin starts with JPEGs, whose first picture arrives soonest.
function begin() {
  way.now = "jpeg";
  watch();
  if (way.last !== "jpeg" && offeredWays().includes(way.last)) go(way.last);
}

// go starts switching to another way.
function go(to) {
  if (to === (way.next || way.now) || moving) return;
  endProbe();
  if (nextVideo) nextVideo.close();
  nextVideo = null;
  if (way.next === "jpeg" && to === way.now && leads()) leaveStream();
  way.next = to === way.now ? "" : to;
  way.since = now();
  if (way.next === "jpeg") leads() && watch();
  else if (way.next) nextVideo = openVideo(to);
}

// settle ends the old way: the new one has delivered a picture.
function settle() {
  const before = way.now;
  if (video) freeze(video);
  video = nextVideo;
  nextVideo = null;
  way.now = way.last = way.next;
  way.next = "";
  if (way.now !== "jpeg") leaveStream();
  choice.settled(now(), way.now, before);
  if (state) offerWays(state);
  share({ way: way.now });
}

// freeze closes a video; its last picture is kept, for turning.
function freeze(v) {
  if (v === video && v.element.readyState >= 2) shown = createImageBitmap(v.element).catch(() => null);
  v.close();
}

function leaveVideo() {
  endProbe();
  if (nextVideo) nextVideo.close();
  if (video) freeze(video);
  video = nextVideo = null;
  way.now = "jpeg";
  way.next = "";
}

// videoFailed handles a video that ended or never started: it falls back to JPEGs, which also detect a lost connection.
function videoFailed(v, error) {
  if (v.closed) return;
  freeze(v);
  choice.failed(now(), v.how);
  if (!leads()) say({ unable: v.how });
  if (way.wish === v.how && leads()) problem(names[v.how] + " does not work here: " + error.message);
  if (v === nextVideo) {
    nextVideo = null;
    way.next = "";
  } else if (v === video) {
    go("jpeg");
  }
}

// receivedJPEG is called for each received JPEG.
function receivedJPEG(jpeg, captured) {
  if (probe) return measureProbe(jpeg);
  if (way.next === "jpeg") settle();
  share({ jpeg, captured });
  if (way.now === "jpeg") arrived(jpeg, captured);
}

// videoFrame is called for each picture of a video when it can be drawn.
function videoFrame(v, captured) {
  if (paused || v.closed) return;
  if (v === nextVideo) settle();
  countPicture(0); // its bytes were counted on arrival
  paint(v.element, v.element.videoWidth, v.element.videoHeight);
  countDrawn(captured);
}

// measureProbe measures what the link carries beside a video: if enough JPEGs arrive over a while the page switches to them; otherwise it gives up, early if
// the result is clear, as they hold up the video.
function measureProbe(jpeg) {
  const at = now();
  total.bytes += jpeg.length;
  if (!probe.began) probe.began = at; // not counting the connection setup
  else probe.count++;
  judgeProbe(at);
}

function judgeProbe(at) {
  const seconds = (at - (probe.began || probe.asked + 1000)) / 1000;
  const want = 0.75 * expectedRate() * seconds;
  if (seconds > 2 && probe.count >= want) {
    probe = null; // receivedJPEG settles it with the next picture
    way.next = "jpeg";
  } else if (seconds > 2 || seconds > 0.7 && probe.count < want / 2) {
    endProbe();
    choice.missed();
  }
}

function endProbe() {
  if (!probe) return;
  probe = null;
  leaveStream();
}

// expectedRate returns how many JPEGs per second a viewer should receive.
function expectedRate() {
  return Math.min(state.settings.fps, way.now === "jpeg" ? state.fps : state.captured_fps); // not wanted_fps, which is lower while nobody watches
}

const offeredWays = () => (state && state.h264 && state.h264.available ? ["webrtc", "mse"].filter((how) => plays[how](state)) : []);

// choose runs once per second.
let counted = 0;
function choose() {
  const count = total.frames - counted, at = now();
  counted = total.frames;
  if (!leads() || paused || moving || !state) return;
  if (probe) return judgeProbe(at);
  const patience = way.wish === "auto" ? 1 : 3; // more patience with the user's own choice
  if (nextVideo && at - way.since > 8000 * patience) videoFailed(nextVideo, new Error("no picture arrived."));
  if (video && state.signal && at - newest > Math.max(5000 * patience, 3 * expectedInterval())) videoFailed(video, new Error("pictures stopped arriving."));
  if (way.next || wrong.signal || !total.frames) return;
  const to = choice.second(at, { now: way.now, wish: way.wish, offered: offeredWays(), arrived: count, made: expectedRate(), delay: seenDelay });
  if (to === "probe") {
    probe = { count: 0, began: 0, asked: at };
    watch();
  } else if (to) {
    go(to);
  }
}

// The user's choice, stored in this browser.
function wish(to) {
  way.wish = to in names ? to : "auto";
  choice.asked();
  if (way.wish !== "auto" && leads()) go(way.wish);
}
$("way").addEventListener("change", (e) => {
  remember("way", e.target.value);
  wish(e.target.value);
});
addEventListener("storage", (e) => {
  if (e.key !== "way") return;
  wish(e.newValue);
  if (state) offerWays(state);
});
way.wish = recall("way") in names ? recall("way") : "auto";

// offerWays lists the ways with their data rates; hidden where there is no video.
function offerWays(s) {
  const list = offeredWays(), select = $("way");
  $("ways").hidden = !list.length;
  if (!list.length || (CSS.supports("selector(:open)") ? select.matches(":open") : document.activeElement === select)) return; // do not update an open list
  const all = ["auto", "jpeg", ...list], fps = s.settings.fps;
  const cost = { jpeg: s.newest.bytes * fps, mse: s.h264.takers && s.h264.bytes_per_second || s.settings.bitrate / 8 };
  cost.webrtc = cost.mse;
  if (select.dataset.ways !== all.join()) {
    select.dataset.ways = all.join();
    select.replaceChildren(...all.map((to) => new Option("", to)));
  }
  for (const option of select.options) {
    const to = option.value;
    const text = to === "auto" ? "Automatic (" + names[way.now] + ")" : names[to] + (cost[to] ? " · ≈ " + roughly(cost[to]) : "");
    if (option.text !== text) option.text = text;
  }
  if (select.value !== way.wish) select.value = all.includes(way.wish) ? way.wish : "auto";
}
