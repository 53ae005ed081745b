package stream_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// halfClosed sends a request and closes the sending half, as `printf … | nc -N` does.
func halfClosed(t *testing.T, s *testServer, request string) net.Conn {
	t.Helper()
	conn := ask(t, "tcp", address(s), request)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestHalfClosedRequestsAreAnswered(t *testing.T) {
	s, feed := serve(t, nil)
	for _, c := range []struct{ name, request, want string }{
		{"snapshot", "GET /snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n", "image/jpeg"},
		{"snapshot over HTTP/1.0", "GET /snapshot HTTP/1.0\r\n\r\n", "image/jpeg"},
		{"settings", "PATCH /api/settings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"quality\": 55}", "application/json"},
		{"page", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "text/html; charset=utf-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := halfClosed(t, s, c.request)
			time.Sleep(100 * time.Millisecond) // the server has seen the EOF before the frame arrives
			jpg := picture(t, 1)
			feed.publish(t, jpg)
			reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(reply.Body)
			if err != nil || reply.StatusCode != 200 || reply.Header.Get("Content-Type") != c.want || len(body) == 0 {
				t.Errorf("%d %s, %d bytes, %v", reply.StatusCode, reply.Header.Get("Content-Type"), len(body), err)
			}
		})
	}
}

// These programs close their sending half at the end of their input.
func TestProgramsThatHalfCloseAreAnswered(t *testing.T) {
	socat, nc := testenv.Program(t, "socat"), testenv.Program(t, "nc.openbsd")
	s, feed := serve(t, nil)
	feed.stream(t, 50, func(i int) []byte { return checked(i, 5000) })
	host, port, _ := net.SplitHostPort(address(s))
	for _, program := range []string{socat + " -t 60 - TCP:" + address(s), nc + " -N " + host + " " + port} {
		for request, least := range map[string]int{"GET /snapshot HTTP/1.0\r\n\r\n": 5000, "GET /stream HTTP/1.0\r\n\r\n": 60 * 5000} {
			out, err := exec.Command("sh", "-c", `printf %s "$0" | $1 | head -c "$2" | wc -c`, request, program, strconv.Itoa(least)).Output() // socat complains about head
			if err != nil || strings.TrimSpace(string(out)) != strconv.Itoa(least) {
				t.Errorf("%s: %q: %q bytes (%v), want at least %d", program, request, out, err, least)
			}
		}
	}
}

func TestHalfClosedEventsContinue(t *testing.T) {
	s, _ := serve(t, nil)
	conn := halfClosed(t, s, "GET /state HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
	lines := bufio.NewScanner(conn)
	for events := 0; events < 3; {
		if !lines.Scan() {
			t.Fatalf("ended after %d events: %v", events, lines.Err())
		}
		if strings.HasPrefix(lines.Text(), "data: ") {
			events++
		}
	}
}

// A stream continues while it can be written, also if the client closes its sending half later.
func TestHalfClosedStreamContinues(t *testing.T) {
	cert, key := certificate(t)
	for name, configure := range map[string]func(*config){"tcp": nil, "tls": func(c *config) { c.TLSCert, c.TLSKey = cert, key }} {
		t.Run(name, func(t *testing.T) {
			s, feed := serve(t, configure)
			feed.stream(t, 50, func(i int) []byte { return checked(i, 5000) })
			for _, late := range []bool{false, true} {
				raw := ask(t, "tcp", address(s), "")
				conn := raw
				closeHalf := raw.(*net.TCPConn).CloseWrite
				if name == "tls" {
					secure := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
					conn, closeHalf = secure, secure.CloseWrite
				}
				if _, err := io.WriteString(conn, streamRequest); err != nil {
					t.Fatal(err)
				}
				if !late {
					if err := closeHalf(); err != nil {
						t.Fatal(err)
					}
				}
				reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := readBody(reply, 5); err != nil {
					t.Error(err)
				}
				if late {
					if err := closeHalf(); err != nil {
						t.Fatal(err)
					}
				}
				// 60 more at 50 fps take longer than detecting that a viewer has left.
				if n, err := io.Copy(io.Discard, io.LimitReader(reply.Body, 60*5000)); n < 60*5000 {
					t.Errorf("closed late: %v: ended after %d bytes: %v", late, n, err)
				}
				raw.Close()
			}
		})
	}
}

// A viewer's departure is noticed even if no frame is due for long, or none is published any more.
func TestAbandonedStreamEnds(t *testing.T) {
	s, feed := serve(t, nil)
	feed.publish(t, checked(1, 5000))
	for _, query := range []string{"", "?fps=0.01"} {
		conn := ask(t, "tcp", address(s), "GET /stream"+query+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := readBody(reply, 1); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, "a viewer", func() bool { return s.stream.State().Server.Viewers == 1 })
		conn.Close()
		began := time.Now()
		testenv.Eventually(t, "it is gone", func() bool { return s.stream.State().Server.Viewers == 0 })
		t.Logf("%q: gone after %v", query, time.Since(began))
	}
}
