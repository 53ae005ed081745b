package rtsp_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maixstream/maixstream/server/rtsp"
)

// A reader that takes a large unit slowly but steadily gets all of it, with TLS or without, whatever deadline is set for the whole; one that stops is noticed.
func TestSteadyReaderGetsLargeUnits(t *testing.T) {
	secure := certificate(t)
	for _, encrypted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const stall, size, each = 10 * time.Second, 300 << 10, 2 << 10
			ours, theirs := net.Pipe()
			out := rtsp.Guarded(ours, stall)
			in := net.Conn(&steady{Conn: theirs, each: each})
			if encrypted {
				out, in = tls.Server(out, secure), tls.Client(in, &tls.Config{InsecureSkipVerify: true})
			}
			read := make(chan int64)
			go func() {
				n, _ := io.CopyN(io.Discard, in, size)
				read <- n
			}()
			began := time.Now()
			if s, ok := out.(*tls.Conn); ok {
				if err := s.HandshakeContext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			_ = out.SetWriteDeadline(began.Add(stall))
			if n, err := out.Write(make([]byte, size)); n != size || err != nil {
				t.Errorf("encrypted %v: %d bytes: %v", encrypted, n, err)
			}
			if n := <-read; n != size {
				t.Errorf("encrypted %v: %d bytes received", encrypted, n)
			}
			if took := time.Since(began); took < 4*stall {
				t.Errorf("encrypted %v: the reader was not slow: %v", encrypted, took)
			}
			began = time.Now()
			if _, err := out.Write(make([]byte, size)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("encrypted %v: stopped: %v", encrypted, err)
			}
			if took := time.Since(began); took < stall || took > 2*stall {
				t.Errorf("encrypted %v: noticed after %v", encrypted, took)
			}
			theirs.Close()
			out.Close()
		})
	}
}

// steady is a connection that is read at a constant rate per second.
type steady struct {
	net.Conn
	each int
}

func (s *steady) Read(b []byte) (int, error) {
	time.Sleep(time.Second)
	return s.Conn.Read(b[:min(s.each, len(b))])
}
