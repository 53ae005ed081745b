// Pictures on the screen. One that still waits for the browser's decoder when a newer one comes is left out.
const canvas = $("picture"), stage = $("stage"), viewer = $("viewer");
const screen2d = canvas.getContext("2d", { alpha: false });
let drawn = { frames: 0, delays: [] }; // since the last measurement
const gaps = []; // ms between the last pictures
let next = null, drawing = false;

function arrived(jpeg, captured) {
  const at = now();
  if (total.frames) {
    gaps.push(at - newest);
    if (gaps.length > 6) gaps.shift();
    // The longest is left out: it may have been the network.
    gap = gaps.length < 3 ? 0 : [...gaps].sort((a, b) => b - a)[1];
  }
  total.frames++;
  total.bytes += jpeg.length;
  newest = at;
  if (wrong.stream || total.frames === 1) wrong.stream = null, notice();
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
      const picture = await createImageBitmap(new Blob([frame.jpeg], { type: "image/jpeg" }));
      if (paused) break;
      paint(picture);
      shown = frame.jpeg;
      picture.close();
      drawn.frames++;
      drawn.delays.push(now() + clock.offset - frame.captured);
      stage.classList.remove("empty");
    } catch { /* a broken picture: the next one will do */ }
  }
  drawing = false;
}

const turn = { quarters: 0, mirror: false }; // of this view only
let shown = null; // the picture that is seen, to be turned while it stands still
let size = { width: 0, height: 0 }; // of it, as it came

function paint(picture) {
  const across = turn.quarters % 2, w = across ? picture.height : picture.width, h = across ? picture.width : picture.height;
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    stage.style.setProperty("--ratio", w + " / " + h);
  }
  size = { width: picture.width, height: picture.height };
  screen2d.setTransform(1, 0, 0, 1, w / 2, h / 2);
  if (turn.mirror) screen2d.scale(-1, 1);
  screen2d.rotate(turn.quarters * Math.PI / 2);
  screen2d.drawImage(picture, -picture.width / 2, -picture.height / 2);
}

async function repaint() {
  if (!shown) return;
  const picture = await createImageBitmap(new Blob([shown], { type: "image/jpeg" }));
  paint(picture);
  picture.close();
}
