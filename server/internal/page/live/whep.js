// Video over WebRTC (WHEP): an offer, an answer, and no other server.
async function playWHEP(v) {
  const pc = new RTCPeerConnection(), { element } = v;
  let session = "";
  const bye = () => {
    pc.close();
    if (session) ask(session, { method: "DELETE", keepalive: true }).catch(() => {});
  };
  v.signal.addEventListener("abort", bye);
  pc.addEventListener("connectionstatechange", () => {
    if (pc.connectionState === "failed" || pc.connectionState === "disconnected") videoFailed(v, new Error("the connection was lost."));
  });
  pc.addEventListener("track", ({ track, receiver }) => {
    element.srcObject = new MediaStream([track]);
    element.play().catch(() => {});
    // The time of each picture follows from a packet's capture time and RTP's clock, which is that of the captures.
    v.captured = (_, rtp) => {
      const [packet] = receiver.getSynchronizationSources ? receiver.getSynchronizationSources() : [];
      if (rtp === undefined || !packet || !packet.captureTimestamp) return NaN;
      return packet.captureTimestamp - before1970 * 1000 + ((rtp - packet.rtpTimestamp) | 0) / 90;
    };
  });
  const video = pc.addTransceiver("video", { direction: "recvonly" });
  if (video.setHeaderExtensionsToNegotiate) { // Chromium supports the capture time, but does not offer it
    const extensions = video.getHeaderExtensionsToNegotiate();
    for (const e of extensions) if (e.uri.endsWith("abs-capture-time")) e.direction = "recvonly";
    video.setHeaderExtensionsToNegotiate(extensions);
  }
  await pc.setLocalDescription();
  // The server never connects to us, so it needs no candidates of ours, and we wait for none.
  const reply = await ask("whep", { method: "POST", headers: { "Content-Type": "application/sdp" }, body: pc.localDescription.sdp, signal: v.signal });
  if (!reply.ok) throw new Error(await refusal(reply));
  session = "whep/" + (reply.headers.get("Location") || "").split("?")[0].split("/").pop();
  const sdp = await reply.text();
  if (v.closed) return bye();
  await pc.setRemoteDescription({ type: "answer", sdp });
  count(v, pc);
}

// count adds a connection's bytes, which only the statistics report.
async function count(v, pc) {
  for (let before = 0; !v.closed; await sleep(500)) {
    let bytes = 0;
    for (const s of (await pc.getStats()).values()) if (s.type === "inbound-rtp") bytes += s.bytesReceived + (s.headerBytesReceived || 0);
    total.bytes += Math.max(0, bytes - before);
    before = bytes;
  }
}
