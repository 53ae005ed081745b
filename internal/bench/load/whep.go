//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/whep"
)

// serveWHEP serves a pipeline's H.264 by WebRTC, with WHEP at address, until end is called.
func serveWHEP(p *pipeline.Pipeline, address string) (end func(), err error) {
	media, err := whep.New(whep.Config{Address: "127.0.0.1:0", MaxSessions: 1000, MaxPerHost: 1000})
	if err != nil {
		return nil, err
	}
	h, err := stream.New(stream.Config{Feed: p, WebRTC: media})
	if err != nil {
		return nil, errors.Join(err, media.Close())
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		h.Close()
		return nil, errors.Join(err, media.Close())
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	return func() {
		_ = server.Close()
		_ = media.Close()
		h.Close()
	}, nil
}

// startWatcher is a WebRTC player connecting by WHEP; it retries for ten seconds if the server does not have the stream yet.
func startWatcher(address, path string) (*player, error) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		p := &player{}
		err := p.watch("http://" + address + path)
		if err == nil {
			return p, nil
		}
		p.close()
		if time.Now().After(end) {
			return nil, fmt.Errorf("%s%s: %w", address, path, err)
		}
	}
}

func (p *player) watch(url string) error {
	p.close = func() {}
	var e webrtc.SettingEngine
	e.SetIncludeLoopbackCandidate(true)
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(e)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return err
	}
	p.close = func() { _ = pc.Close() }
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		return err
	}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			p.count(packet)
		}
	})
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		return err
	}
	<-gathered
	reply, err := http.Post(url, "application/sdp", bytes.NewReader([]byte(pc.LocalDescription().SDP)))
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	answer, err := io.ReadAll(reply.Body)
	if err != nil {
		return err
	}
	if reply.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %.200s", reply.Status, answer)
	}
	return pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)})
}
