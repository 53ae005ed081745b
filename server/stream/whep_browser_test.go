package stream_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/whep"
)

// whepPage plays /whep like small WHEP players, and computes each picture's age from its capture time if the browser reports it.
const whepPage = `<!DOCTYPE html><title>starting</title><video id=v muted autoplay playsinline></video><script>
const v = document.getElementById("v"), pc = new RTCPeerConnection();
window.problem = "";
pc.ontrack = (e) => { v.srcObject = new MediaStream([e.track]); window.receiver = e.receiver; };
(async () => {
	try {
		const t = pc.addTransceiver("video", {direction: "recvonly"});
		if (t.setHeaderExtensionsToNegotiate) {
			const extensions = t.getHeaderExtensionsToNegotiate();
			for (const e of extensions) if (e.uri.endsWith("abs-capture-time")) e.direction = "recvonly";
			t.setHeaderExtensionsToNegotiate(extensions);
		}
		await pc.setLocalDescription();
		if (pc.iceGatheringState !== "complete") await new Promise((done) => { pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done(); setTimeout(done, 2000); });
		const reply = await fetch("/whep", {method: "POST", headers: {"Content-Type": "application/sdp"}, body: pc.localDescription.sdp});
		if (reply.status !== 201) throw new Error(reply.status + " " + await reply.text());
		window.session = reply.headers.get("Location");
		await pc.setRemoteDescription({type: "answer", sdp: await reply.text()});
	} catch (e) { window.problem = String(e); }
})();
window.pair = async () => {
	const stats = await pc.getStats();
	for (const s of stats.values()) if (s.type === "candidate-pair" && (s.nominated || s.selected) && s.state === "succeeded") {
		const r = stats.get(s.remoteCandidateId);
		return (r.address || r.ip) + "/" + r.protocol;
	}
	return "";
};
</script>`

// offersH264 is JavaScript: whether the browser's offers have H.264. Capabilities list it even where a plug-in is missing.
const offersH264 = `(async () => {
	if (typeof RTCPeerConnection !== "function") return "false";
	const pc = new RTCPeerConnection();
	pc.addTransceiver("video", {direction: "recvonly"});
	const {sdp} = await pc.createOffer();
	pc.close();
	return String(/ H264\/90000/.test(sdp));
})()`

// Browsers play three hundred pictures over WebRTC, over the loopback, without any other server.
func TestWHEPPlaysInBrowsers(t *testing.T) {
	play := func(t *testing.T, b tab) {
		// Debian's WebKitGTK is built without WebRTC, and its Firefox decodes H.264 there only with a downloaded plug-in.
		if _, ok := b.(*chromium); !ok && b.eval(t, offersH264) != "true" {
			testenv.Unable(t, "this browser has no H.264 by WebRTC")
		}
		s := showWHEPPage(t)
		b.open(t, s.URLs()[0]+"/")
		began := time.Now()
		count := func() int {
			n, _ := strconv.Atoi(b.eval(t, "v.getVideoPlaybackQuality().totalVideoFrames"))
			return n
		}
		for count() < 300 {
			if problem := b.eval(t, "window.problem"); problem != "" {
				t.Fatal(problem)
			}
			if time.Since(began) > 2*time.Minute {
				t.Fatalf("%d pictures in %v: %s", count(), time.Since(began), b.eval(t, "pc.connectionState + ' ' + v.readyState"))
			}
			time.Sleep(200 * time.Millisecond)
		}
		if pair := b.eval(t, "window.pair()"); pair != "127.0.0.1/udp" {
			t.Errorf("candidate pair %q", pair)
		}
		if size := b.eval(t, "v.videoWidth + 'x' + v.videoHeight"); size != "320x240" {
			t.Error(size)
		}
		// Chromium reports the capture time of abs-capture-time.
		delay := b.eval(t, `(() => { const s = receiver.getSynchronizationSources()[0]; return s && s.captureTimestamp ? String(Date.now() + 2208988800000 - s.captureTimestamp) : "" })()`)
		if ms, err := strconv.ParseFloat(delay, 64); b.eval(t, "typeof RTCRtpTransceiver.prototype.setHeaderExtensionsToNegotiate") == "function" && (err != nil || ms < -100 || ms > 30_000) {
			t.Errorf("a picture's age is %q ms", delay)
		}
		t.Logf("%d pictures in %v, capture to now %q ms", count(), time.Since(began).Round(time.Millisecond), delay)
	}
	inBrowsers(t, map[string]func(*testing.T, tab){"three hundred pictures": play})
}

// mediamtxPage connects like MediaMTX's own player and Mainsail's webrtc-mediamtx service, which derives from it: cross-origin, OPTIONS first, an offer to
// send and receive, including audio, and trickled candidates, one by one.
const mediamtxPage = `<!DOCTYPE html><video id=v muted autoplay playsinline></video><script>
const v = document.getElementById("v"), at = "WHEP";
window.problem = ""; window.patched = 0;
(async () => {
	try {
		const ice = await fetch(at, {method: "OPTIONS"});
		if (ice.status !== 204 || ice.headers.get("Link")) throw new Error("OPTIONS: " + ice.status + " " + ice.headers.get("Link"));
		const pc = window.pc = new RTCPeerConnection({iceServers: []});
		pc.addTransceiver("video", {direction: "sendrecv"});
		pc.addTransceiver("audio", {direction: "sendrecv"});
		pc.ontrack = (e) => { if (e.track.kind === "video") v.srcObject = e.streams[0]; };
		const offer = await pc.createOffer();
		const reply = await fetch(at, {method: "POST", headers: {"Content-Type": "application/sdp"}, body: offer.sdp});
		if (reply.status !== 201) throw new Error(reply.status + " " + await reply.text());
		const etag = reply.headers.get("ETag"), session = at + "/" + reply.headers.get("Location").split("/").pop();
		const ufrag = /a=ice-ufrag:(.*)\r/.exec(offer.sdp)[1], pwd = /a=ice-pwd:(.*)\r/.exec(offer.sdp)[1], media = /m=(.*)\r/.exec(offer.sdp)[1];
		pc.onicecandidate = async ({candidate}) => {
			if (!candidate) return;
			const body = "a=ice-ufrag:" + ufrag + "\r\na=ice-pwd:" + pwd + "\r\nm=" + media + "\r\na=mid:0\r\na=" + candidate.candidate + "\r\n";
			const reply = await fetch(session, {method: "PATCH", headers: {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": etag}, body});
			if (reply.status !== 204) window.problem = "PATCH: " + reply.status + " " + await reply.text();
			window.patched++;
		};
		await pc.setLocalDescription(offer);
		await pc.setRemoteDescription({type: "answer", sdp: await reply.text()});
	} catch (e) { window.problem = String(e); }
})();
</script>`

// Clients for MediaMTX work with this server's address, from a page of another origin that is allowed.
func TestWHEPAsMediaMTX(t *testing.T) {
	testenv.Long(t, "starts a browser")
	b := startChromium(t)
	var page string
	mainsail := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	}))
	defer mainsail.Close()
	server, err := whep.New(whep.Config{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	s, _ := showVideo(t, func(c *config) { c.CORS, c.Stream.WebRTC = mainsail.URL, server }, nil)
	page = strings.Replace(mediamtxPage, "WHEP", s.URLs()[0]+"/whep", 1)
	b.open(t, mainsail.URL)
	eventually(t, "pictures", func() bool {
		time.Sleep(breath)
		if problem := b.eval(t, "window.problem"); problem != "" {
			t.Fatal(problem)
		}
		n, _ := strconv.Atoi(b.eval(t, "v.getVideoPlaybackQuality().totalVideoFrames"))
		return n > 30
	})
	if n := b.eval(t, "window.patched"); n == "0" {
		t.Error("no candidate was trickled")
	}
}

func showWHEPPage(t *testing.T) *testServer {
	s, _ := showWHEP(t, nil, nil)
	s.stream.SetHTML([]byte(whepPage))
	return s
}
