// Addresses to copy, with the host by which this browser reached the server: it works for others on the same network, too. Credentials and tokens are
// left out.
const place = (path) => new URL(path, home).href;

function links() {
  const stream = place("stream"), snapshot = place("snapshot");
  const list = [
    ["This page", place("")],
    ["Picture only, for an iframe or a kiosk", place("?bare")],
    ["Stream (MJPEG)", stream],
    ["Snapshot (JPEG)", snapshot],
  ];
  const h264 = state && state.h264 && state.h264.available;
  let media = ""; // H.264 over RTSP
  if (h264) list.push(["H.264 (MP4)", place("video.mp4")]);
  if (h264 && state.webrtc) list.push(["WebRTC (WHEP)", place("whep")]);
  for (const { address, tls } of state && state.rtsp || []) {
    const port = address.slice(address.lastIndexOf(":") + 1), standard = tls ? "322" : "554";
    const name = tls ? "RTSPS" : "RTSP", server = (tls ? "rtsps://" : "rtsp://") + home.hostname + (port === standard ? "" : ":" + port);
    list.push([name + " (JPEG)", server + "/jpeg"]);
    if (!h264) continue;
    list.push([name + " (H.264)", server + "/h264"]);
    media = media || server + "/h264";
  }
  const programs = [
    ["OctoPrint, Mainsail, Fluidd", "Stream URL: " + stream + "\nSnapshot URL: " + snapshot],
    ["Home Assistant, MJPEG IP Camera", "mjpeg_url: " + stream + "\nstill_image_url: " + snapshot],
    ["go2rtc", "streams:\n  camera: " + stream],
    ["OBS, as a browser source", place("?bare")],
    ["VLC", "vlc --network-caching 100 " + stream],
    ["ffplay", "ffplay -fflags nobuffer -flags low_delay -framedrop -f mpjpeg " + stream],
    ["OpenCV", 'cv2.VideoCapture("' + stream + '")'],
    ["HTML", '<img src="' + stream + '">'],
  ];
  if (media) {
    programs.splice(2, 0, ["Home Assistant, Generic Camera", "still_image_url: " + snapshot + "\nstream_source: " + media]);
    programs.push(["Frigate", "inputs:\n  - path: " + media + "\n    input_args: preset-rtsp-generic"], ["MediaMTX", "paths:\n  camera:\n    source: " + media]);
  }
  $("addresses").replaceChildren(...list.map(line));
  $("programs").replaceChildren(...programs.map(line));
  const rows = qr(place(""));
  $("qr").toggleAttribute("hidden", !rows);
  if (!rows) return;
  const n = rows.length + 8; // including a margin of four
  $("qr").setAttribute("viewBox", `0 0 ${n} ${n}`);
  $("qr").lastElementChild.setAttribute("d", rows.map((row, y) => row.map((dark, x) => (dark ? `M${x + 4} ${y + 4}h1v1h-1z` : "")).join("")).join(""));
}

function line([what, text]) {
  const row = document.createElement("li"), name = document.createElement("span"), code = document.createElement("code"), button = document.createElement("button");
  name.textContent = what;
  name.className = "quiet";
  code.textContent = text;
  button.type = "button";
  button.className = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + what);
  button.addEventListener("click", async () => {
    const done = await copy(code);
    button.textContent = done ? "Copied" : "Marked";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  row.append(name, code, button);
  return row;
}

// copy copies an element's text to the clipboard. Plain HTTP has no navigator.clipboard; the old way needs a selection, which is left for Ctrl+C if that
// fails, too.
async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch { /* unavailable or denied */ }
  getSelection().selectAllChildren(element);
  return document.execCommand("copy");
}

$("open-links").addEventListener("click", links);
