// This view of the picture: zoom, fit or fill, rotation. Other viewers are not affected.
const zoom = { by: 1, x: 0, y: 0 }; // x, y: offset of the picture's centre from the stage's, in px
const pointers = new Map(); // touching the stage
let fill = recall("fill") === "true";

function look() {
  const r = stage.getBoundingClientRect();
  // Not beyond the edge.
  const room = { x: r.width * (zoom.by - 1) / 2, y: r.height * (zoom.by - 1) / 2 };
  zoom.x = Math.max(-room.x, Math.min(room.x, zoom.x));
  zoom.y = Math.max(-room.y, Math.min(room.y, zoom.y));
  for (const e of stage.querySelectorAll("canvas, img")) e.style.transform = zoom.by > 1 ? `translate(${zoom.x}px, ${zoom.y}px) scale(${zoom.by})` : "";
  stage.classList.toggle("zoomed", zoom.by > 1);
  stage.classList.toggle("fill", fill);
  $("fill").checked = fill;
  put("zoom-value", zoom.by > 1 ? zoom.by.toFixed(1) + "×" : "");
  $("unzoom").hidden = zoom.by === 1;
}

// zoomAt scales the picture by a factor, keeping a point of the window in place.
function zoomAt(factor, clientX, clientY) {
  const r = stage.getBoundingClientRect();
  const x = clientX - r.left - r.width / 2, y = clientY - r.top - r.height / 2;
  const by = Math.max(1, Math.min(10, zoom.by * factor)), f = by / zoom.by;
  Object.assign(zoom, { by, x: x - (x - zoom.x) * f, y: y - (y - zoom.y) * f });
  look();
}

function zoomStep(factor) {
  const r = stage.getBoundingClientRect();
  zoomAt(factor, r.left + r.width / 2, r.top + r.height / 2);
}

function move(x, y) {
  zoom.x += x;
  zoom.y += y;
  look();
}

stage.addEventListener("wheel", (e) => { // touchpad pinches arrive as wheel events with ctrlKey
  e.preventDefault();
  const pixels = e.deltaY * [1, 16, 400][e.deltaMode];
  zoomAt(Math.exp(-Math.max(-200, Math.min(200, pixels)) * (e.ctrlKey ? 0.01 : 0.002)), e.clientX, e.clientY);
}, { passive: false });

const spread = () => {
  const [a, b] = [...pointers.values()];
  return { distance: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
};
stage.addEventListener("pointerdown", (e) => {
  if (e.button) return;
  pointers.set(e.pointerId, { x: e.clientX, y: e.clientY });
});
stage.addEventListener("pointermove", (e) => {
  const p = pointers.get(e.pointerId);
  if (!p) return;
  if (pointers.size === 2) {
    const was = spread();
    Object.assign(p, { x: e.clientX, y: e.clientY });
    const is = spread();
    zoom.x += is.x - was.x;
    zoom.y += is.y - was.y;
    zoomAt(is.distance / Math.max(1, was.distance), is.x, is.y);
  } else if (zoom.by > 1) {
    if (!stage.hasPointerCapture(e.pointerId)) stage.setPointerCapture(e.pointerId);
    move(e.clientX - p.x, e.clientY - p.y);
  }
  Object.assign(p, { x: e.clientX, y: e.clientY });
});
for (const end of ["pointerup", "pointercancel", "pointerleave"]) stage.addEventListener(end, (e) => pointers.delete(e.pointerId));

$("unzoom").addEventListener("click", () => {
  zoom.by = 1;
  look();
});
$("fill").addEventListener("change", (e) => {
  fill = e.target.checked;
  remember("fill", fill);
  look();
});
$("turn").addEventListener("click", () => {
  turn.quarters = (turn.quarters + 1) % 4;
  repaint();
});
$("reflect").addEventListener("change", (e) => {
  turn.mirror = e.target.checked;
  repaint();
});
addEventListener("resize", look);
look();
