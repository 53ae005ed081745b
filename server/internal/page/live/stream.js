// The stream. It is read here and not by an <img>, because only so the page knows of each frame when it was captured, when it came and when it
// was drawn; and a frame that would be late is left out for a newer one. WebKit's fetch (2.50) fails at multipart/x-mixed-replace, so the page asks
// for the same bytes as application/octet-stream.
const lostConnection = ["Connection lost.", "Trying again…"];
let stream = null; // ends the running one
let moving = null; // the <img> that shows the stream where it cannot be read

async function watch() {
  if (stream) return;
  const mine = stream = new AbortController();
  let unreadable = 0; // times in a row
  for (let wait = 500; !mine.signal.aborted; wait = Math.min(2 * wait, 5000)) {
    const before = total.frames;
    // Each try has an end of its own: where reading fails, WebKit keeps the connection open, and the server a viewer, until it is told to stop.
    const attempt = new AbortController(), stop = () => attempt.abort();
    mine.signal.addEventListener("abort", stop);
    let why = lostConnection;
    try {
      const reply = await ask("stream", { query: { form: "page" }, signal: attempt.signal });
      const type = reply.headers.get("Content-Type") || "";
      if (!reply.ok) {
        const text = await refusal(reply);
        why = [text.startsWith("the proxy") ? "No connection to the camera." : "The server is busy.", text + ". Trying again…"];
      } else if (type.startsWith("text/html")) { // of a proxy that wants a login, or a network that does
        why = ["No connection to the camera.", "Something else answers in its place. Trying again…"];
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

// leaveStream ends the stream of JPEGs; leave ends whatever the pictures come by.
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
    window.stop(); // WebKit 2.50 goes on with a request of parts though its image is gone
    moving = null;
    canvas.hidden = false;
  }
}

function failed(why) {
  wrong.stream = why;
  notice();
  share({ why });
}

// reachable says whether the server itself answers, be it that it is not well.
const reachable = () => fetch(url("healthz"), { cache: "no-store", headers: authorization || {} }).then((reply) => reply.headers.has("X-Time"), () => false);

// showImage leaves the stream to the browser where a script cannot read it. Nothing can be measured then, and nothing shared with other windows.
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
  moving.src = url("stream", { advance_headers: 1, t: Date.now() }); // browsers join requests for one address
  follow();
}

const latin1 = new TextDecoder("latin1");

// read takes the parts of a multipart stream apart.
async function read(reader) {
  let buffer = new Uint8Array(1 << 18), size = 0;
  let head = null;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (size + value.length > buffer.length) {
      const larger = new Uint8Array(2 * (size + value.length));
      larger.set(buffer.subarray(0, size));
      buffer = larger;
    }
    buffer.set(value, size);
    size += value.length;
    let at = 0; // what is before has been used
    for (;;) {
      if (!head) {
        const text = latin1.decode(buffer.subarray(at, Math.min(size, at + 1024)));
        const end = text.indexOf("\r\n\r\n");
        if (end < 0 && text.length < 1024) break;
        const field = (name) => Number((text.slice(0, end).match(new RegExp(name + ": *([0-9.]+)", "i")) || [])[1]);
        head = { size: end + 4, length: field("Content-Length"), captured: field("X-Timestamp") * 1000 };
        if (end < 0 || !(head.length < 1 << 26)) throw new Error("not a stream of pictures");
      }
      const begin = at + head.size, end = begin + head.length;
      if (size < end) break;
      const jpeg = buffer.slice(begin, end);
      took(jpeg, head.captured);
      at = end;
      head = null;
    }
    buffer.copyWithin(0, at, size);
    size -= at;
  }
}
