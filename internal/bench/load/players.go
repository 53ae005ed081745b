//go:build linux

package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"
)

// player reads one RTSP stream of H.264 over TCP and counts packets.
type player struct {
	client        gortsplib.Client
	frames, bytes atomic.Int64
	lost          atomic.Int64
	sequence      uint16
	began         bool
	close         func()
}

// startPlayer connects; it retries for ten seconds if the server does not have the stream yet.
func startPlayer(address, path string) (*player, error) {
	u, err := base.ParseURL("rtsp://" + address + path)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		p := &player{}
		p.close = p.client.Close
		if err = p.play(u); err == nil {
			return p, nil
		}
		p.close()
		if time.Now().After(end) {
			return nil, fmt.Errorf("%s: %w", u, err)
		}
	}
}

func (p *player) play(u *base.URL) error {
	protocol := gortsplib.ProtocolTCP
	p.client = gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Protocol: &protocol}
	if err := p.client.Start(); err != nil {
		return err
	}
	desc, _, err := p.client.Describe(u)
	if err != nil {
		return err
	}
	if err := p.client.SetupAll(desc.BaseURL, desc.Medias); err != nil {
		return err
	}
	p.client.OnPacketRTPAny(func(_ *description.Media, _ format.Format, packet *rtp.Packet) { p.count(packet) })
	_, err = p.client.Play(nil)
	return err
}

// count counts a packet.
func (p *player) count(packet *rtp.Packet) {
	if p.began && packet.SequenceNumber != p.sequence+1 {
		p.lost.Add(int64(packet.SequenceNumber - p.sequence - 1))
	}
	p.began, p.sequence = true, packet.SequenceNumber
	p.bytes.Add(int64(len(packet.Payload)))
	if packet.Marker { // a frame's last packet
		p.frames.Add(1)
	}
}

// play connects, waits until all players have frames, reports that with a line, and answers "DURATION" with a Report over that time.
func (r *Role) play() error {
	players, start := make([]*player, r.Viewers), startPlayer
	if r.Kind == "players-whep" {
		start = startWatcher
	}
	for i := range players {
		var err error
		if players[i], err = start(r.Address, r.Path); err != nil {
			return err
		}
		defer players[i].close()
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		playing := 0
		for _, p := range players {
			if p.frames.Load() > 0 {
				playing++
			}
		}
		if playing == len(players) {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d players have no frame after 10 s", len(players)-playing, len(players))
		}
	}
	fmt.Println("{}")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		d, err := time.ParseDuration(lines.Text())
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(measure(players, d)); err != nil {
			return err
		}
	}
	return nil
}

// measure counts for d.
func measure(players []*player, d time.Duration) Report {
	type count struct{ frames, bytes, lost int64 }
	before := make([]count, len(players))
	began := time.Now()
	for i, p := range players {
		before[i] = count{p.frames.Load(), p.bytes.Load(), p.lost.Load()}
	}
	time.Sleep(d)
	r := Report{Viewers: len(players), Least: 1 << 30}
	for i, p := range players {
		frames := int(p.frames.Load() - before[i].frames)
		r.Frames += frames
		r.Least = min(r.Least, frames)
		r.Bytes += p.bytes.Load() - before[i].bytes
		r.Skipped += int(p.lost.Load() - before[i].lost)
	}
	r.Elapsed = time.Since(began)
	return r
}

// FirstFrame connects over RTSP/TCP and returns how long the first frame took.
func FirstFrame(address, path string) (time.Duration, error) {
	u, err := base.ParseURL("rtsp://" + address + path)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	p := &player{}
	defer p.client.Close()
	if err := p.play(u); err != nil {
		return 0, err
	}
	for p.frames.Load() == 0 {
		if time.Since(began) > 10*time.Second {
			return 0, fmt.Errorf("%s: no frame within 10 s", u)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began), nil
}
