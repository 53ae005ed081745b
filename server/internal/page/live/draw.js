// Draws pictures. A picture still waiting for the browser's decoder when a newer one arrives is skipped.
const canvas = $("picture"), stage = $("stage"), viewer = $("viewer");
const screen2d = canvas.getContext("2d", { alpha: false });
let drawn = { frames: 0, delays: [] }; // since the last measurement
const gaps = []; // ms between the latest pictures
let next = null, drawing = false;

// countPicture counts a received picture, whichever way it arrived.
function countPicture(bytes) {
  const at = now();
  if (total.frames) {
    gaps.push(at - newest);
    if (gaps.length > 6) gaps.shift();
    // Without the longest: it may have been the network.
    gap = gaps.length < 3 ? 0 : [...gaps].sort((a, b) => b - a)[1];
  }
  total.frames++;
  total.bytes += bytes;
  newest = at;
  if (wrong.stream || total.frames === 1) wrong.stream = null, notice();
}

function arrived(jpeg, captured) {
  countPicture(jpeg.length);
  if (paused) return;
  next = { jpeg, captured };
  if (!drawing) draw();
}

async function draw() {
  drawing = true;
  while (next) {
    const frame = next;
    next = null;
    try {
      const file = new Blob([frame.jpeg], { type: "image/jpeg" }), picture = await createImageBitmap(file);
      if (paused) break;
      if (way.now === "jpeg") { // otherwise a video has started meanwhile
        paint(picture, picture.width, picture.height);
        shown = file;
        countDrawn(frame.captured);
      }
      picture.close();
    } catch { /* broken picture: wait for the next */ }
  }
  drawing = false;
}

// countDrawn counts a picture that is now on the screen. captured: its capture time by the server's clock, in ms; NaN: unknown.
function countDrawn(captured) {
  drawn.frames++;
  if (!isNaN(captured)) drawn.delays.push(now() + clock.offset - captured);
  stage.classList.remove("empty");
}

const turn = { quarters: 0, mirror: false }; // of this view only
let shown = null; // the visible picture or the promise of it, for turning it while it stands still; during video, the last one before
let size = { width: 0, height: 0 }; // its original size

function paint(picture, width, height) {
  const across = turn.quarters % 2, w = across ? height : width, h = across ? width : height;
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    stage.style.setProperty("--ratio", w + " / " + h);
  }
  size = { width, height };
  screen2d.setTransform(1, 0, 0, 1, w / 2, h / 2);
  if (turn.mirror) screen2d.scale(-1, 1);
  screen2d.rotate(turn.quarters * Math.PI / 2);
  screen2d.drawImage(picture, -width / 2, -height / 2);
}

async function repaint() {
  const seen = await shown;
  if (!seen || way.now !== "jpeg") return; // the next video picture is drawn turned
  const picture = await createImageBitmap(seen);
  paint(picture, picture.width, picture.height);
  picture.close();
}
