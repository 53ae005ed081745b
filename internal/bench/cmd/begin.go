//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/internal/bench/load"
)

// begin measures the delay until the first H.264 arrives.
func (s *set) begin() (*group, error) {
	g := &group{Title: "H.264 start-up and recovery", Text: "`maixstream serve --source testcard --size 1280x720` without viewers: from connecting, which " +
		"wakes the encoder, to the last byte of the first picture. For a reader of `/video.mp4` that reads nothing for five seconds: from resuming to the " +
		"last byte of a picture that was captured after that."}
	if err := openh264.Available(); errors.Is(err, openh264.ErrMissing) {
		g.Skipped = err.Error()
		return g, nil
	}
	media, err := freeAddress()
	if err != nil {
		return nil, err
	}
	v, err := s.serve("--source", "testcard", "--size", "1280x720", "--rtsp", media)
	if err != nil {
		return nil, err
	}
	defer v.end()
	const rest = 2500 * time.Millisecond
	for range s.runs {
		time.Sleep(rest)
		took, err := load.FirstFrame(media, "/h264")
		if err != nil {
			return nil, err
		}
		g.add("RTSP over TCP, first picture", "ms", ms(took)).atMost(500)
		time.Sleep(rest)
		f, err := openFilm(v.address)
		if err != nil {
			return nil, err
		}
		began := f.began
		_, err = f.next()
		g.add("`/video.mp4`, first picture", "ms", ms(time.Since(began))).atMost(500)
		if err == nil {
			time.Sleep(5 * time.Second)
			took, err = f.upTo(time.Now())
			g.add("`/video.mp4`, recovery after 5 s without reading", "ms", ms(took)).atMost(1000)
		}
		f.conn.Close()
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}

// mp4Reader reads /video.mp4.
type mp4Reader struct {
	conn  net.Conn
	body  *bufio.Reader
	began time.Time
}

func openFilm(address string) (*mp4Reader, error) {
	f := &mp4Reader{began: time.Now()}
	var err error
	if f.conn, err = net.Dial("tcp", address); err != nil {
		return nil, err
	}
	_ = f.conn.SetDeadline(time.Now().Add(time.Minute))
	_ = f.conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	fmt.Fprintf(f.conn, "GET /video.mp4 HTTP/1.1\r\nHost: %s\r\n\r\n", address)
	reply, err := http.ReadResponse(bufio.NewReader(f.conn), nil)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("/video.mp4: %s", reply.Status)
	}
	if err != nil {
		f.conn.Close()
		return nil, err
	}
	f.body = bufio.NewReader(reply.Body)
	return f, nil
}

// next reads a fragment and returns when its picture was captured.
func (f *mp4Reader) next() (captured time.Time, err error) {
	for {
		var head [8]byte
		if _, err := io.ReadFull(f.body, head[:]); err != nil {
			return captured, err
		}
		content := make([]byte, max(int(binary.BigEndian.Uint32(head[:]))-8, 0))
		if _, err := io.ReadFull(f.body, content); err != nil {
			return captured, err
		}
		switch string(head[4:]) {
		case "prft": // in NTP seconds, since 1900
			captured = time.Unix(int64(binary.BigEndian.Uint32(content[8:]))-2208988800, int64(uint64(binary.BigEndian.Uint32(content[12:]))*1e9>>32))
		case "mdat":
			return captured, nil
		}
	}
}

// upTo reads until a picture captured after on, and returns how long that took.
func (f *mp4Reader) upTo(on time.Time) (time.Duration, error) {
	for {
		captured, err := f.next()
		if err != nil || captured.After(on) {
			return time.Since(on), err
		}
	}
}
