// The buttons below the picture.
const stamp = (ms) => new Date(ms - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace(/\D/g, "").replace(/^(.{8})/, "$1-");
function save(blob, name) {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(blob);
  a.download = name;
  a.click();
  setTimeout(URL.revokeObjectURL, 60000, a.href);
}

$("snapshot").href = url("snapshot");
$("snapshot").addEventListener("click", async (e) => {
  e.preventDefault();
  try {
    const reply = await ask("snapshot");
    if (!reply.ok) throw new Error(wrong.signal ? "there is no signal." : (await refusal(reply)).replace(/^snapshot: /, ""));
    save(await reply.blob(), "maixstream-" + stamp(Number(reply.headers.get("X-Timestamp")) * 1000) + ".jpg");
    problem("");
  } catch (error) {
    problem("No snapshot: " + (error instanceof TypeError ? "the connection was lost." : error.message)); // fetch throws TypeError
  }
});

let recorder = null;
const filmType = window.MediaRecorder && canvas.captureStream && ["video/webm;codecs=vp9", "video/webm", "video/mp4"].find((t) => MediaRecorder.isTypeSupported(t));
function stopRecording() {
  if (recorder) recorder.stop();
}
if (filmType) {
  $("record").hidden = false;
  $("record").addEventListener("click", () => {
    if (recorder) return stopRecording();
    const pieces = [], began = now(), label = $("record").querySelector("span");
    try {
      recorder = new MediaRecorder(canvas.captureStream(), { mimeType: filmType, videoBitsPerSecond: 8e6 });
      recorder.start(1000);
    } catch (error) { // WebKitGTK may claim support for a type but have no recorder for it: only starting one shows that
      recorder = null;
      $("record").hidden = true;
      return problem("No recording: " + error.message);
    }
    const tick = setInterval(() => {
      const s = Math.round((now() - began) / 1000);
      label.textContent = "Stop " + Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0");
    }, 1000);
    label.textContent = "Stop 0:00";
    $("record").setAttribute("aria-pressed", "true");
    recorder.ondataavailable = (e) => pieces.push(e.data);
    recorder.onstop = () => {
      clearInterval(tick);
      label.textContent = "Record";
      $("record").setAttribute("aria-pressed", "false");
      save(new Blob(pieces, { type: recorder.mimeType }), "maixstream-" + stamp(began) + (recorder.mimeType.includes("mp4") ? ".mp4" : ".webm"));
      recorder = null;
    };
  });
}

// A paused view receives only the state: the link is free, and other windows go on.
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").querySelector("span").textContent = paused ? "Resume" : "Pause";
  if (paused) {
    stopRecording();
    part();
  } else {
    newest = now();
    join();
  }
  notice();
});

$("full").hidden = !document.fullscreenEnabled;
const full = () => (document.fullscreenElement ? document.exitFullscreen() : viewer.requestFullscreen()).catch((e) => problem("No full screen: " + e.message));
$("full").addEventListener("click", full);
stage.addEventListener("dblclick", () => document.fullscreenEnabled && full());
document.addEventListener("fullscreenchange", () => {
  $("full").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
  showBar();
});
let stillTimer;
function showBar() { // in full screen the bar hides while the pointer rests, even if the pressed button still has the focus
  viewer.classList.remove("still");
  clearTimeout(stillTimer);
  stillTimer = setTimeout(() => viewer.classList.add("still"), 3000);
}
for (const e of ["pointermove", "pointerdown", "keydown"]) document.addEventListener(e, showBar);

function panel(open) {
  $("panel").hidden = !open;
  $("toggle").setAttribute("aria-expanded", String(open));
  look();
}
$("toggle").addEventListener("click", () => {
  panel($("panel").hidden);
  remember("panel", $("panel").hidden ? "closed" : "open");
});
panel(recall("panel") ? recall("panel") === "open" : innerHeight > 480);
