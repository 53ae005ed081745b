package accept_test

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maixstream/maixstream/internal/accept"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failing returns err the given number of times, then accepts.
type failing struct {
	net.Listener
	err   error
	times atomic.Int64
}

func (f *failing) Accept() (net.Conn, error) {
	if f.times.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", f.err)}
	}
	return f.Listener.Accept()
}

func listen(t *testing.T, err error, times int64) *failing {
	t.Helper()
	l, listenErr := net.Listen("tcp", "127.0.0.1:0")
	if listenErr != nil {
		t.Fatal(listenErr)
	}
	t.Cleanup(func() { l.Close() })
	f := &failing{Listener: l, err: err}
	f.times.Store(times)
	return f
}

// script is a listener whose Accept has each outcome in turn after a pause; nil is a connection.
type script struct {
	net.Listener
	pause    time.Duration
	outcomes []error
}

func (s *script) Accept() (net.Conn, error) {
	time.Sleep(s.pause)
	err := s.outcomes[0]
	s.outcomes = s.outcomes[1:]
	if err != nil {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	client, server := net.Pipe()
	client.Close()
	return server, nil
}

func (s *script) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000} }

// However often failures and connections alternate, one warning and one line on recovery are logged, and another warning if they begin anew.
func TestFailuresAreLoggedOnceAndRetried(t *testing.T) {
	for _, err := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPROTO, errors.New("unknown")} {
		for _, outcomes := range [][]error{{err, nil}, {err, err, err, err, nil}, {err, nil, err, nil, nil, err, nil}} {
			t.Run(err.Error(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					core, logged := observer.New(zap.DebugLevel)
					f := &script{pause: time.Second / 2, outcomes: append(slices.Clone(outcomes), outcomes...)}
					l := accept.Patient(f, zap.New(core))
					for round := 1; round <= 2; round++ {
						for len(f.outcomes) > (2-round)*len(outcomes) {
							conn, acceptErr := l.Accept()
							if acceptErr != nil {
								t.Fatal(acceptErr)
							}
							conn.Close()
						}
						if n := logged.Len(); n != 2*round-1 {
							t.Errorf("round %d: logged %v before it has settled", round, logged.All())
						}
						time.Sleep(3 * time.Second)
						lines := logged.All()
						if len(lines) != 2*round || lines[2*round-2].Level != zap.WarnLevel || lines[2*round-1].Level != zap.InfoLevel {
							t.Errorf("round %d: logged %v, want one warning and one line on recovery", round, lines)
						}
					}
				})
			})
		}
	}
}

func TestAbortedConnectionIsNotLogged(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	f := listen(t, syscall.ECONNABORTED, 3)
	client, err := net.Dial("tcp", f.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := accept.Patient(f, zap.New(core)).Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if logged.Len() != 0 {
		t.Errorf("logged %v", logged.All())
	}
}

func TestBrokenListenerIsReturned(t *testing.T) {
	for _, err := range []error{syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK} {
		if _, got := accept.Patient(listen(t, err, 1), nil).Accept(); !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestCloseInterruptsRetries(t *testing.T) {
	l := accept.Patient(listen(t, syscall.EMFILE, 1<<40), nil)
	ended := make(chan error)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	time.Sleep(20 * time.Millisecond)
	l.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Accept does not return after Close")
	}
}
