// The stream. It is read here and not by an <img>, so that the page knows when each frame was captured, received and drawn, and can skip a late frame
// for a newer one. WebKit's fetch (2.50) fails at multipart/x-mixed-replace, so the page requests
// the same bytes as application/octet-stream.
const lostConnection = ["Connection lost.", "Trying again…"];
let stream = null; // aborts the current one
let moving = null; // the <img> that shows the stream where a script cannot read it

async function watch() {
  if (stream) return;
  const mine = stream = new AbortController();
  let unreadable = 0; // consecutive failures
  for (let wait = 500; !mine.signal.aborted; wait = Math.min(2 * wait, 5000)) {
    const before = total.frames;
    // One AbortController per attempt: after a failed read, WebKit keeps the connection, and the server a viewer, until it is aborted.
    const attempt = new AbortController(), stop = () => attempt.abort();
    mine.signal.addEventListener("abort", stop);
    let why = lostConnection;
    try {
      const reply = await ask("stream", { query: { form: "page" }, signal: attempt.signal });
      const type = reply.headers.get("Content-Type") || "";
      if (!reply.ok) {
        const text = await refusal(reply);
        why = [text.startsWith("the proxy") ? "No connection to the camera." : "The server is busy.", text + ". Trying again…"];
      } else if (type.startsWith("text/html")) { // from a proxy or network that wants a login
        why = ["No connection to the camera.", "Something else answered instead. Trying again…"];
      } else {
        unreadable++;
        await read(reply.body.getReader());
        unreadable = 0;
      }
    } catch (error) {
      if (error instanceof TypeError && !mine.signal.aborted && await reachable()) unreadable++;
    }
    stop();
    mine.signal.removeEventListener("abort", stop);
    if (mine.signal.aborted) return;
    if (total.frames > before) unreadable = 0, wait = 500;
    if (unreadable > 2) return showImage();
    failed(why);
    await sleep(wait);
  }
}

// leaveStream ends the stream of JPEGs; leave ends whatever delivers pictures.
function leaveStream() {
  if (stream) stream.abort();
  stream = null;
}

function leave() {
  leaveStream();
  leaveVideo();
  if (moving) {
    moving.src = "data:,";
    moving.remove();
    window.stop(); // WebKit 2.50 continues a multipart request after its image is gone
    moving = null;
    canvas.hidden = false;
  }
}

function failed(why) {
  wrong.stream = why;
  notice();
  share({ why });
}

// reachable reports whether the server itself answers, even if unhealthy.
const reachable = () => fetch(url("healthz"), { cache: "no-store", headers: authorization || {} }).then((reply) => reply.headers.has("X-Time"), () => false);

// showImage leaves the stream to the browser where a script cannot read it. Then nothing can be measured, or shared with other windows.
function showImage() {
  part();
  moving = new Image();
  moving.id = "moving";
  moving.alt = "Live picture";
  moving.onload = () => {
    total.frames++;
    newest = now();
    wrong.stream = null;
    stage.classList.remove("empty");
    notice();
  };
  moving.onerror = async () => {
    failed(lostConnection);
    leave();
    await sleep(2000);
    if (!document.hidden && !paused && !stream) watch();
  };
  canvas.hidden = true;
  canvas.after(moving);
  moving.src = url("stream", { advance_headers: 1, t: Date.now() }); // browsers merge requests for one address
  follow();
}

const latin1 = new TextDecoder("latin1");

// appendBytes puts bytes behind the first size ones of a buffer, and returns it, or a larger one if they do not fit.
function appendBytes(buffer, size, bytes) {
  if (size + bytes.length > buffer.length) {
    const larger = new Uint8Array(2 * (size + bytes.length));
    larger.set(buffer.subarray(0, size));
    buffer = larger;
  }
  buffer.set(bytes, size);
  return buffer;
}

// read splits a multipart stream.
async function read(reader) {
  let buffer = new Uint8Array(1 << 18), size = 0;
  let head = null;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer = appendBytes(buffer, size, value);
    size += value.length;
    let at = 0; // the bytes before are consumed
    for (;;) {
      if (!head) {
        const text = latin1.decode(buffer.subarray(at, Math.min(size, at + 1024)));
        const end = text.indexOf("\r\n\r\n");
        if (end < 0 && text.length < 1024) break;
        const field = (name) => Number((text.slice(0, end).match(new RegExp(name + ": *([0-9.]+)", "i")) || [])[1]);
        head = { size: end + 4, length: field("Content-Length"), captured: field("X-Timestamp") * 1000 };
        if (end < 0 || !(head.length < 1 << 26)) throw new Error("not a picture stream");
      }
      const begin = at + head.size, end = begin + head.length;
      if (size < end) break;
      const jpeg = buffer.slice(begin, end);
      receivedJPEG(jpeg, head.captured);
      at = end;
      head = null;
    }
    buffer.copyWithin(0, at, size);
    size -= at;
  }
}
