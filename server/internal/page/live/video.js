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

// Reports per way whether this browser can play H.264.
const plays = {
  mse: (s) => Boolean(window.MediaSource) && MediaSource.isTypeSupported('video/mp4; codecs="' + (s.h264.codec || "avc1.42c01f") + '"'),
  webrtc: (s) => Boolean(s.webrtc && window.RTCPeerConnection && RTCRtpReceiver.getCapabilities) &&
    RTCRtpReceiver.getCapabilities("video").codecs.some((c) => c.mimeType.toUpperCase() === "VIDEO/H264"),
};
