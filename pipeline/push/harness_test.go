package push_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"github.com/maixstream/maixstream/hw/picture"
	"github.com/maixstream/maixstream/pipeline/push"
)

func TestMain(m *testing.M) {
	code := testenv.Main(m).Run()
	push.CloseIdle()
	if code == 0 {
		if err := testenv.Leaked(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// quiet is a loopback address that nothing else listens on under Linux (elsewhere only 127.0.0.1 exists), so that other processes' tests do not
// take a port while it is free.
var quiet = func() string {
	if runtime.GOOS == "linux" {
		return "127.86.0.1"
	}
	return "127.0.0.1"
}()

// jpeg returns a real JPEG that is unique to number.
func jpeg(t testing.TB, number int) []byte {
	t.Helper()
	img := picture.New(64, 48, picture.RGB)
	img.DrawText(2, 2, strconv.Itoa(number), picture.White, 16)
	jpg, err := img.JPEG(80)
	if err != nil {
		t.Fatal(err)
	}
	defer jpg.Release()
	return append(jpg.Bytes(), fmt.Sprintf("#%d", number)...) // after EOI: distinguishes equal encodings
}

// received is one picture as the server received it.
type received struct {
	data                 []byte
	contentType          string
	key, sequence, stamp string
	device, field, name  string
	method, path         string
	header               http.Header
	at                   time.Time
}

// collector is a server that stores what it receives, each key once.
type collector struct {
	mu       sync.Mutex
	pictures []received
	keys     map[string]int // key -> number of times received
	arrived  chan struct{}  // capacity 1
	answer   func(w http.ResponseWriter, r *http.Request, n int) bool
	requests int
	conns    map[string]bool // remote addresses
}

func newCollector() *collector {
	return &collector{keys: map[string]int{}, conns: map[string]bool{}, arrived: make(chan struct{}, 1)}
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests++
	n, answer := c.requests, c.answer
	c.conns[r.RemoteAddr] = true
	c.mu.Unlock()
	if answer != nil && answer(w, r, n) {
		return
	}
	mediaType, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	base := received{
		key: r.Header.Get("Idempotency-Key"), sequence: r.Header.Get("X-Sequence"), stamp: r.Header.Get("X-Timestamp"),
		device: r.Header.Get("X-Device"), method: r.Method, path: r.URL.Path, header: r.Header.Clone(), contentType: mediaType,
	}
	switch mediaType {
	case "multipart/form-data", "multipart/x-mixed-replace":
		parts := multipart.NewReader(r.Body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			one := base
			one.field, one.name, one.contentType = part.FormName(), part.FileName(), part.Header.Get("Content-Type")
			if mediaType != "multipart/form-data" {
				one.key, one.sequence, one.stamp = part.Header.Get("Idempotency-Key"), part.Header.Get("X-Sequence"), part.Header.Get("X-Timestamp")
			}
			if length, err := strconv.Atoi(part.Header.Get("Content-Length")); err == nil { // complete before the closing boundary
				one.data = make([]byte, length)
				_, err = io.ReadFull(part, one.data)
				if err != nil {
					http.Error(w, "cut off: "+err.Error(), http.StatusBadRequest)
					return
				}
				c.keep(one)
			}
			rest, err := io.ReadAll(part)
			if err != nil || (one.data != nil && len(rest) > 0) {
				http.Error(w, fmt.Sprintf("after the part: %d bytes, %v", len(rest), err), http.StatusBadRequest)
				return
			}
			if one.data == nil {
				one.data = rest
				c.keep(one)
			}
		}
	default:
		var err error
		if base.data, err = io.ReadAll(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.keep(base)
	}
	fmt.Fprintf(w, `{"ok":true,"bytes":%d}`, len(base.data))
}

func (c *collector) keep(p received) {
	c.mu.Lock()
	p.at = time.Now()
	c.keys[p.key]++
	if c.keys[p.key] == 1 {
		c.pictures = append(c.pictures, p)
	}
	c.mu.Unlock()
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

func (c *collector) all() []received {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]received(nil), c.pictures...)
}

// wait waits until the received pictures satisfy ok.
func (c *collector) wait(t testing.TB, what string, ok func([]received) bool) []received {
	t.Helper()
	patience := time.NewTimer(30 * time.Second)
	defer patience.Stop()
	for {
		if all := c.all(); ok(all) {
			return all
		}
		select {
		case <-c.arrived:
		case <-patience.C:
			t.Fatalf("timed out waiting for %s; %d pictures arrived", what, len(c.all()))
		}
	}
}

func atLeast(n int) func([]received) bool {
	return func(all []received) bool { return len(all) >= n }
}

// serve runs a handler on a free port.
func serve(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// flaky is a server that can be killed and restarted at the same address.
type flaky struct {
	t       testing.TB
	handler http.Handler
	address string
	server  *http.Server
	end     func() // waits for running handlers
}

func newFlaky(t testing.TB, h http.Handler) *flaky {
	f := &flaky{t: t, handler: h, address: net.JoinHostPort(quiet, "0")}
	f.start()
	t.Cleanup(f.kill)
	return f
}

func (f *flaky) start() {
	f.t.Helper()
	var l net.Listener
	var err error
	for range 500 { // a connection of ours may still use the port for a moment
		if l, err = net.Listen("tcp", f.address); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.address = l.Addr().String()
	var running sync.RWMutex
	dead := false // guarded by running
	f.end = func() {
		running.Lock()
		dead = true
		running.Unlock()
	}
	f.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.RLock()
		defer running.RUnlock()
		if dead {
			panic(http.ErrAbortHandler)
		}
		f.handler.ServeHTTP(w, r)
	})}
	go f.server.Serve(l) // returns after kill
}

// kill cuts all connections. Running handlers have ended when it returns, and no others start.
func (f *flaky) kill() {
	_ = f.server.Close()
	f.end()
}

func (f *flaky) url() string { return "http://" + f.address + "/upload" }

// list is a source whose pictures must all arrive.
type list struct {
	shots [][]byte
	next  int
}

func (l *list) Next(ctx context.Context, s *push.Shot) error {
	if l.next == len(l.shots) {
		return io.EOF
	}
	*s = push.Shot{Data: l.shots[l.next], Sequence: uint64(l.next + 1)}
	l.next++
	return ctx.Err()
}

// live is a source whose pictures become stale; each call of show adds a new one.
type live struct {
	mu     sync.Mutex
	newest push.Shot
	seen   bool
	shown  uint64
	wake   chan struct{}
}

func newLive() *live { return &live{seen: true, wake: make(chan struct{}, 1)} }

func (l *live) show(data []byte) {
	l.mu.Lock()
	l.shown++
	next := push.Shot{Data: data, Sequence: l.shown}
	if !l.seen {
		next.Skipped = l.newest.Skipped + 1
	}
	l.newest, l.seen = next, false
	l.mu.Unlock()
	l.poke()
}

func (l *live) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *live) Newer(s *push.Shot) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen {
		return false
	}
	*s, l.seen = l.newest, true
	return true
}

func (l *live) Next(ctx context.Context, s *push.Shot) error {
	for {
		if l.Newer(s) {
			return nil
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func newPusher(t testing.TB, c push.Config) *push.Pusher {
	t.Helper()
	p, err := push.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// run starts a Pusher in the background; the returned function ends it and returns its error.
func run(p *push.Pusher, s push.Source) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, s) }()
	return func() error {
		cancel()
		return <-done
	}
}

// results records the calls of OnResult.
type results struct {
	mu  sync.Mutex
	all []push.Result
}

func (r *results) add(one push.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

func (r *results) list() []push.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]push.Result(nil), r.all...)
}

func pictures(t testing.TB, n int) [][]byte {
	t.Helper()
	one := jpeg(t, 0)
	one = one[:bytes.LastIndexByte(one, '#')]
	list := make([][]byte, n)
	for i := range list {
		list[i] = append(bytes.Clone(one), fmt.Sprintf("#%d", i)...)
	}
	return list
}

// guard is a string that a server reads while a test changes it.
type guard struct{ mu sync.Mutex }

func (s *guard) get(p *string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *p
}

func (s *guard) set(p *string, v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*p = v
}
