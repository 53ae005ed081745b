// Video: however it arrives, a hidden <video> decodes it, and it is drawn where the JPEGs are. So zoom, full screen, recording and
// measurements work the same for all.
function openVideo(how) {
  const element = document.createElement("video"), end = new AbortController();
  element.muted = element.playsInline = element.disableRemotePlayback = true;
  const v = {
    how, element, closed: false, signal: end.signal,
    exact: false, // the browser reports each picture
    captured: () => NaN, // capture time of the picture at a media time
    close() {
      v.closed = true;
      end.abort();
    },
  };
  end.signal.addEventListener("abort", () => {
    element.srcObject = null;
    element.removeAttribute("src");
    element.load();
  });
  drawFrom(v);
  (how === "mse" ? playMP4 : playWHEP)(v).catch((error) => videoFailed(v, error));
  return v;
}

// drawFrom draws each picture of a video when it is due.
function drawFrom(v) {
  const { element } = v;
  const each = (_, meta) => {
    if (v.closed) return;
    v.exact = true;
    element.requestVideoFrameCallback(each);
    videoFrame(v, v.captured(meta.mediaTime, meta.rtpTimestamp));
  };
  if (element.requestVideoFrameCallback) element.requestVideoFrameCallback(each);
  // Where the browser does not report pictures (WebKitGTK 2.50 has the function but never calls back), check at each screen refresh.
  let first = 0, count = 0, time = -1;
  const look = () => {
    if (v.closed || v.exact) return;
    requestAnimationFrame(look);
    if (element.readyState < 2) return;
    first = first || now();
    const { totalVideoFrames } = element.getVideoPlaybackQuality();
    if (now() - first < 500 || totalVideoFrames === count || element.currentTime === time) return;
    [count, time] = [totalVideoFrames, element.currentTime];
    videoFrame(v, v.captured(time));
  };
  look();
}

// Whether this browser offers H.264 over WebRTC; undefined: not asked; null: not known yet. Firefox 140 lists it among its capabilities even without the plug-in that decodes it.
let offersH264;
async function askH264() {
  const pc = new RTCPeerConnection();
  pc.addTransceiver("video", { direction: "recvonly" });
  const { sdp } = await pc.createOffer();
  pc.close();
  return / H264\/90000/i.test(sdp);
}
function hasH264() {
  if (offersH264 === undefined) {
    offersH264 = null;
    askH264().catch(() => false).then((yes) => offersH264 = yes);
  }
  return offersH264;
}

// Reports per way whether this browser can play H.264.
const plays = {
  mse: (s) => Boolean(window.MediaSource) && MediaSource.isTypeSupported('video/mp4; codecs="' + (s.h264.codec || "avc1.42c01f") + '"'),
  webrtc: (s) => Boolean(s.webrtc && window.RTCPeerConnection && hasH264()),
};
