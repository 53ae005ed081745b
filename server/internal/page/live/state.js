// The server's state, pushed once per second as events. Where a proxy buffers those (Caddy 2.6 with encode does), it is polled.
let state = null;
let events = null;
let heard = 0; // when the state last arrived, either way
let opened = 0; // when the event stream was opened

function follow() {
  if (events) return;
  opened = heard = now();
  if (authorization) return; // EventSource cannot send headers
  events = new EventSource(url("state"));
  events.onmessage = (e) => {
    const s = JSON.parse(e.data);
    share({ state: s });
    update(s);
  };
  events.onerror = () => {
    for (const id of ["encode", "viewers", "sent"]) put(id, "–");
    if (events && events.readyState === EventSource.CLOSED) unfollow(); // refused: poll instead
  };
}

function unfollow() {
  if (events) events.close();
  events = null;
}

// poll requests the state when no event has arrived for a while.
let asking = false;
async function poll() {
  if (asking || group.role === "follow" || now() - heard < 2500) return;
  asking = true;
  const limit = new AbortController(), timer = setTimeout(() => limit.abort(), 4000);
  try {
    const reply = await ask("state", { signal: limit.signal });
    if (reply.ok) {
      const s = await reply.json();
      share({ state: s });
      update(s);
    } else {
      wrong.events = ["No connection to the camera.", await refusal(reply) + ". Trying again…"];
    }
  } catch { /* the watchdog handles it */ }
  clearTimeout(timer);
  asking = false;
  if (!events && group.role === "lead" && now() - opened > 10000) follow(); // retry after a refusal
}

function update(s) {
  state = s;
  heard = now();
  wrong.events = null;
  wrong.signal = s.signal ? null : ["No signal.", s.reason ? (/^[A-Z]/.test(s.reason) ? "" : "Reason: ") + s.reason : "The source is unavailable."];
  notice();
  put("source", s.source.name || "–");
  put("encoder", s.encoder || "–");
  put("encode", s.idle ? "idle" : s.encode_ms.p50 ? s.encode_ms.p50.toFixed(1) + " ms" : "–");
  put("viewers", s.server.viewers + (s.server.max_clients ? " of " + s.server.max_clients : ""));
  put("sent", rate(s.server.bytes_per_second));
  const dropped = s.dropped && s.dropped.reason || "";
  put("dropped", dropped && s.dropped.reason_count > 1 ? dropped + " (" + s.dropped.reason_count + "×)" : dropped);
  $("dropped").parentElement.hidden = !dropped;
  document.title = (s.signal ? "" : "No signal – ") + (s.source.name || "camera") + " – " + (s.name || "maixstream");
  const label = "Live picture of " + (s.source.name || "the camera");
  if (canvas.getAttribute("aria-label") !== label) canvas.setAttribute("aria-label", label);
  offer(s);
  offerWays(s);
  followControls(s);
  showPublications(s);
}

const rate = (bytes) => (bytes >= 1e6 ? (bytes / 1e6).toFixed(bytes >= 1e7 ? 1 : 2) + " MB/s" : (bytes / 1e3).toFixed(0) + " kB/s");
