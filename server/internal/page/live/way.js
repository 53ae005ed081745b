// The way by which this window gets its pictures, and changes of it: the old one goes on until the new one has brought a picture. The window that leads
// (share.js) chooses, and the others go the same way.
const way = { now: "jpeg", next: "", since: 0, wish: "auto", last: "jpeg" }; // next: what is being begun, since; last: before this window was hidden
const choice = chooser();
let video = null, nextVideo = null; // that is shown; that is being begun
let probe = null; // { count, began }: the stream of JPEGs is read while a video is shown, to see what the link carries
const names = { jpeg: "JPEG", mse: "Video over HTTP", webrtc: "Video by WebRTC" };

const leads = () => crew.role === "lead";

// begin begins with JPEGs, whose first picture comes soonest.
function begin() {
  way.now = "jpeg";
  watch();
  if (way.last !== "jpeg" && offeredWays().includes(way.last)) go(way.last);
}

// go begins to get the pictures another way.
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

// settle ends the old way: the new one has brought a picture.
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

// freeze closes a video; its last picture stays, to be turned.
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

// fell says that a video ended, or never began: JPEGs are the way then, which also sees to a connection that is lost.
function fell(v, error) {
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

// took is called with each JPEG that is received.
function took(jpeg, captured) {
  if (probe) return weigh(jpeg);
  if (way.next === "jpeg") settle();
  share({ jpeg, captured });
  if (way.now === "jpeg") arrived(jpeg, captured);
}

// tookPicture is called with each picture of a video, when it is there to be drawn.
function tookPicture(v, captured) {
  if (paused || v.closed) return;
  if (v === nextVideo) settle();
  came(0); // its bytes were counted when they came
  paint(v.element, v.element.videoWidth, v.element.videoHeight);
  wasDrawn(captured);
}

// weigh sees what the link carries beside a video: after a while enough JPEGs have come, and they become what is shown, or they are given up, at once where
// it is clear: they hold the video up.
function weigh(jpeg) {
  const at = now();
  total.bytes += jpeg.length;
  if (!probe.began) probe.began = at; // the connection had to be made
  else probe.count++;
  judge(at);
}

function judge(at) {
  const seconds = (at - (probe.began || probe.asked + 1000)) / 1000;
  const want = 0.75 * madeNow() * seconds;
  if (seconds > 2 && probe.count >= want) {
    probe = null; // took settles it with the next picture
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

// madeNow is how many JPEGs a second a viewer is to have.
function madeNow() {
  return Math.min(state.settings.fps, way.now === "jpeg" ? state.fps : state.captured_fps); // not wanted_fps: that is less while nobody looks
}

const offeredWays = () => (state && state.h264 && state.h264.available ? ["webrtc", "mse"].filter((how) => plays[how](state)) : []);

// choose is called once a second.
let counted = 0;
function choose() {
  const count = total.frames - counted, at = now();
  counted = total.frames;
  if (!leads() || paused || moving || !state) return;
  if (probe) return judge(at);
  const patience = way.wish === "auto" ? 1 : 3; // who has chosen it by hand waits longer
  if (nextVideo && at - way.since > 8000 * patience) fell(nextVideo, new Error("no picture has come."));
  if (video && state.signal && at - newest > Math.max(5000 * patience, 3 * due())) fell(video, new Error("no more pictures have come."));
  if (way.next || wrong.signal || !total.frames) return;
  const to = choice.second(at, { now: way.now, wish: way.wish, offered: offeredWays(), arrived: count, made: madeNow(), delay: seenDelay });
  if (to === "probe") {
    probe = { count: 0, began: 0, asked: at };
    watch();
  } else if (to) {
    go(to);
  }
}

// By hand: the choice is this browser's.
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

// offerWays lists the ways with the data rate of each; where there is no video there is nothing to choose.
function offerWays(s) {
  const list = offeredWays(), select = $("way");
  $("ways").hidden = !list.length;
  if (!list.length || (CSS.supports("selector(:open)") ? select.matches(":open") : document.activeElement === select)) return; // an open list is not written to
  const all = ["auto", "jpeg", ...list], fps = s.settings.fps;
  const cost = { jpeg: s.newest.bytes * fps, mse: s.h264.takers && s.h264.bytes_per_second || s.settings.bitrate / 8 };
  cost.webrtc = cost.mse;
  if (select.dataset.ways !== all.join()) {
    select.dataset.ways = all.join();
    select.replaceChildren(...all.map((to) => new Option("", to)));
  }
  for (const option of select.options) {
    const to = option.value;
    const text = to === "auto" ? "Automatic (" + names[way.now] + ")" : names[to] + (cost[to] ? " · about " + roughly(cost[to]) : "");
    if (option.text !== text) option.text = text;
  }
  if (select.value !== way.wish) select.value = all.includes(way.wish) ? way.wish : "auto";
}
