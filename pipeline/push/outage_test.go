package push_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/stamp"
	"github.com/maixstream/maixstream/pipeline/push"
)

func TestNewestWinsWhenTheServerIsSlow(t *testing.T) {
	c := newCollector()
	answer, asked := make(chan struct{}), make(chan struct{}, 100)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-answer
		c.ServeHTTP(w, r)
	}))
	source, shots := newLive(), pictures(t, 50)
	p := newPusher(t, push.Config{URL: s.URL})
	end := run(p, source)
	source.show(shots[0])
	<-asked
	for _, shot := range shots[1:] { // while the first is being sent
		source.show(shot)
	}
	close(answer)
	all := c.wait(t, "the newest", atLeast(2))
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if !bytes.Equal(all[0].data, shots[0]) || !bytes.Equal(all[1].data, shots[49]) {
		t.Errorf("arrived: pictures %s and %s, want 1 and 50", all[0].sequence, all[1].sequence)
	}
}

// killTenTimes kills and restarts the server ten times while total pictures are handled.
func killTenTimes(f *flaky, done *atomic.Int64, total int) {
	for kill := 1; kill <= 10; kill++ {
		for int(done.Load()) < kill*total/11 {
			time.Sleep(time.Millisecond)
		}
		f.kill()
		time.Sleep(time.Duration(20+10*kill) * time.Millisecond)
		f.start()
	}
}

func TestSpoolDeliversEverythingThroughTenServerCrashes(t *testing.T) {
	t.Parallel()
	const total = 1000
	shots := pictures(t, total)
	c := newCollector()
	var handled atomic.Int64
	f := newFlaky(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Some replies for stored pictures are lost, as when the server dies in between.
		n := handled.Add(1)
		c.ServeHTTP(w, r)
		if n%97 == 0 {
			panic(http.ErrAbortHandler)
		}
	}))
	source := &list{shots: shots}
	p := newPusher(t, push.Config{URL: f.url(), Spool: t.TempDir(), Device: "cam"})
	ended := make(chan error, 1)
	go func() { ended <- p.Run(context.Background(), source) }()
	killTenTimes(f, &handled, total)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	all := c.all()
	if len(all) != total {
		t.Fatalf("%d of %d arrived", len(all), total)
	}
	for i, one := range all {
		if !bytes.Equal(one.data, shots[i]) || one.sequence != strconv.Itoa(i+1) {
			t.Fatalf("arrival %d is picture %s", i+1, one.sequence)
		}
	}
	state := p.State()
	again := 0
	for _, times := range c.keys {
		again += times - 1
	}
	if state.Delivered != total || state.Spool.Dropped != 0 || state.Spool.Waiting != 0 || state.Failures == 0 || again == 0 {
		t.Errorf("state %+v, spool %+v, %d arrived twice", state, *state.Spool, again)
	}
	t.Logf("%d failed attempts, %d pictures sent more than once and deduplicated by key", state.Failures, again)
}

func TestNewestArrivesSoonAfterEachRecoveryWithoutSpool(t *testing.T) {
	t.Parallel()
	for _, mode := range []push.Mode{push.Raw, push.Multipart} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			c := newCollector()
			f := newFlaky(t, c)
			source, shots := newLive(), pictures(t, 100)
			p := newPusher(t, push.Config{URL: f.url(), As: mode})
			end := run(p, source)
			shown := make(chan struct{})
			var newest atomic.Int64
			stop := make(chan struct{})
			go func() {
				defer close(shown)
				for i := 0; ; i++ {
					newest.Store(int64(i + 1))
					source.show(shots[i%len(shots)])
					select {
					case <-time.After(10 * time.Millisecond):
					case <-stop:
						return
					}
				}
			}()
			c.wait(t, "the first", atLeast(1))
			returns := 10
			if testing.Short() {
				returns = 3
			}
			late := 0
			for range returns {
				f.kill()
				atDeath := int(newest.Load())
				// An attempt that fails from now on is followed by one with a newer picture.
				awhile := func(ok func() bool) {
					for deadline := time.Now().Add(30 * time.Second); !ok() && time.Now().Before(deadline); {
						time.Sleep(time.Millisecond)
					}
				}
				awhile(func() bool { return int(newest.Load()) > atDeath+1 })
				failures := p.State().Failures
				awhile(func() bool { return p.State().Failures > failures })
				before := len(c.all())
				began := time.Now()
				f.start()
				all := c.wait(t, "a picture after the return", atLeast(before+1))
				if took := time.Since(began); took > 2*time.Second {
					late++
					t.Logf("arrived %v after the restart", took)
				}
				// The first to arrive is not the one that failed when the server died.
				if n, _ := strconv.Atoi(all[before].sequence); n <= atDeath+1 {
					t.Errorf("picture %d arrived first, %d was the newest when the server died", n, atDeath)
				}
			}
			if late > max(2, returns/2) { // delays are at most 1.3 s; a busy machine may add to that
				t.Errorf("%d of %d pictures were late", late, returns)
			}
			close(stop)
			<-shown
			if err := end(); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			order := 0
			for _, one := range c.all() {
				n, _ := strconv.Atoi(one.sequence)
				if n <= order {
					t.Fatalf("picture %d arrived after %d", n, order)
				}
				order = n
			}
		})
	}
}

// keep runs a Pusher with an unreachable server until its source has ended, so that all pictures are in the spool.
func keep(t *testing.T, dir string, limit int64, shots [][]byte) push.State {
	t.Helper()
	f := newFlaky(t, newCollector())
	f.kill()
	p, err := push.New(push.Config{URL: f.url(), Spool: dir, SpoolMax: limit, Retry: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	source := newLive()
	end := run(p, source)
	for i, shot := range shots {
		source.show(shot)
		for deadline := time.Now().Add(20 * time.Second); p.State().Spool.Kept < uint64(i+1); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("picture %d was not spooled: %+v", i, p.State())
			}
		}
	}
	state := p.State()
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	return state
}

// deliver sends a spool's contents and returns what arrived.
func deliver(t *testing.T, dir string, limit int64) ([]received, push.State) {
	t.Helper()
	c := newCollector()
	s := serve(t, c)
	p, err := push.New(push.Config{URL: s.URL, Spool: dir, SpoolMax: limit})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Run(context.Background(), &list{}); err != nil {
		t.Fatal(err)
	}
	return c.all(), p.State()
}

func spoolFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "0*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestSpoolSurvivesRestart(t *testing.T) {
	dir, shots := filepath.Join(t.TempDir(), "a", "b"), pictures(t, 10)
	if state := keep(t, dir, 0, shots[:5]); state.Spool.Waiting != 5 || state.Delivered != 0 || !state.Away {
		t.Fatalf("%+v %+v", state, *state.Spool)
	}
	if state := keep(t, dir, 0, shots[5:]); state.Spool.Found != 5 || state.Spool.Waiting != 10 {
		t.Fatalf("%+v", *state.Spool)
	}
	all, state := deliver(t, dir, 0)
	if len(all) != 10 || state.Spool.Waiting != 0 || len(spoolFiles(t, dir)) != 0 {
		t.Fatalf("%d arrived, %+v", len(all), *state.Spool)
	}
	for i, one := range all {
		if !bytes.Equal(one.data, shots[i]) || one.sequence != strconv.Itoa(i+1) || one.key == "" || one.contentType != "image/jpeg" {
			t.Errorf("arrival %d: %s %s, %d bytes", i, one.sequence, one.contentType, len(one.data))
		}
	}
	if again, _ := deliver(t, dir, 0); len(again) != 0 {
		t.Errorf("%d arrived again", len(again))
	}
}

func TestSpoolDropsTheOldestAndCountsThem(t *testing.T) {
	big := bytes.Repeat([]byte{0xff}, 300<<10)
	var shots [][]byte
	for i := range 6 {
		shots = append(shots, append([]byte{0xff, 0xd8, 0xff, byte(i)}, big...))
	}
	dir := t.TempDir()
	state := keep(t, dir, push.MinSpool, shots)
	if state.Spool.Waiting != 3 || state.Spool.Dropped != 3 || state.Spool.Bytes > push.MinSpool {
		t.Fatalf("%+v", *state.Spool)
	}
	all, state := deliver(t, dir, push.MinSpool)
	if len(all) != 3 || state.Spool.Dropped != 0 {
		t.Fatalf("%d arrived, %+v", len(all), *state.Spool)
	}
	for i, one := range all {
		if one.data[3] != byte(i+3) {
			t.Errorf("arrival %d is picture %d", i, one.data[3])
		}
	}
}

// While the server is unreachable the oldest picture is dropped for a new one, and the next oldest is corrupt.
func TestDamagedPictureAfterADroppedOneIsSkipped(t *testing.T) {
	shot := func(i int) []byte {
		return append([]byte{0xff, 0xd8, 0xff}, bytes.Repeat([]byte{byte(i)}, 300<<10)...)
	}
	var mu sync.Mutex
	var wrong []string
	attempts, back := 0, false
	c := newCollector()
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		n, _ := strconv.Atoi(r.Header.Get("X-Sequence"))
		mu.Lock()
		defer mu.Unlock()
		attempts++
		if err != nil || !bytes.Equal(data, shot(n)) {
			wrong = append(wrong, fmt.Sprint(n))
		}
		if !back {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		c.keep(received{key: r.Header.Get("Idempotency-Key"), sequence: r.Header.Get("X-Sequence")})
	}))
	dir := t.TempDir()
	p := newPusher(t, push.Config{URL: s.URL, Spool: dir, SpoolMax: push.MinSpool})
	source := newLive()
	end := run(p, source)
	until := func(what string, ok func(push.State) bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); !ok(p.State()); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %+v", what, *p.State().Spool)
			}
		}
	}
	for i := 1; i <= 3; i++ {
		source.show(shot(i))
		until("kept", func(s push.State) bool { return s.Spool.Kept == uint64(i) })
	}
	until("the first was tried", func(s push.State) bool { return s.Failures > 0 })
	damaged := spoolFiles(t, dir)[1]
	data, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	data[100] ^= 1
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		t.Fatal(err)
	}
	source.show(shot(4))
	until("the second was found damaged", func(s push.State) bool { return s.Spool.Damaged == 1 })
	tried := p.State().Failures
	until("another attempt", func(s push.State) bool { return s.Failures > tried })
	mu.Lock()
	back = true
	mu.Unlock()
	all := c.wait(t, "the last", func(all []received) bool { return len(all) > 0 && all[len(all)-1].sequence == "4" })
	until("nothing is left", func(s push.State) bool { return s.Spool.Waiting == 0 })
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(wrong) > 0 {
		t.Errorf("in %d attempts these were sent with another picture's bytes: %v", attempts, wrong)
	}
	if len(all) > 3 {
		t.Errorf("%d arrived", len(all))
	}
}

func TestFileSourceWaitsForSpoolRoom(t *testing.T) {
	big := bytes.Repeat([]byte{0xff}, 400<<10)
	var shots [][]byte
	for i := range 8 {
		shots = append(shots, append([]byte{0xff, 0xd8, 0xff, byte(i)}, big...))
	}
	c := newCollector()
	s := serve(t, c)
	p := newPusher(t, push.Config{URL: s.URL, Spool: t.TempDir(), SpoolMax: push.MinSpool})
	if err := p.Run(context.Background(), &list{shots: shots}); err != nil {
		t.Fatal(err)
	}
	if state := p.State(); len(c.all()) != 8 || state.Spool.Dropped != 0 || state.Spool.Kept != 8 {
		t.Errorf("%d arrived, %+v", len(c.all()), *state.Spool)
	}
}

func TestFileSourceEndsWhenSpoolIsFullAndServerGivenUp(t *testing.T) {
	f := newFlaky(t, newCollector())
	f.kill()
	large := make([]byte, 600<<10)
	p := newPusher(t, push.Config{URL: f.url(), Spool: t.TempDir(), SpoolMax: push.MinSpool, Retry: -1})
	err := p.Run(context.Background(), &list{shots: [][]byte{large, large, large}})
	if state := p.State(); err == nil || !strings.Contains(err.Error(), "neither sent nor spooled") || state.Spool.Waiting != 1 || state.Spool.Dropped != 0 {
		t.Errorf("%v, %+v", err, *state.Spool)
	}
}

func TestSpoolAfterAPowerCut(t *testing.T) {
	dir, shots := t.TempDir(), pictures(t, 6)
	keep(t, dir, 0, shots)
	files := spoolFiles(t, dir)
	if len(files) != 6 {
		t.Fatal(files)
	}
	change := func(name string, f func([]byte) []byte) {
		t.Helper()
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change(files[1], func(b []byte) []byte { return b[:len(b)/2] })           // truncated
	change(files[2], func([]byte) []byte { return nil })                      // never written
	change(files[3], func(b []byte) []byte { b[len(b)/2] ^= 0x10; return b }) // corrupt block
	change(files[5], func(b []byte) []byte { return append(b, "more"...) })   // extra block
	for name, text := range map[string]string{".part-123": "half", "README": "not ours", "0001_x_y_z": "not ours either"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, state := deliver(t, dir, 0)
	if len(all) != 2 || !bytes.Equal(all[0].data, shots[0]) || !bytes.Equal(all[1].data, shots[4]) || state.Spool.Damaged != 4 || state.Spool.Waiting != 0 {
		t.Errorf("%d arrived, %+v", len(all), *state.Spool)
	}
	left, _ := os.ReadDir(dir)
	names := ""
	for _, f := range left {
		names += f.Name() + " "
	}
	if names != ".lock 0001_x_y_z README " {
		t.Errorf("left in the folder: %s", names)
	}
}

func TestSpoolIsExclusive(t *testing.T) {
	dir := t.TempDir()
	first := newPusher(t, push.Config{URL: "http://x/", Spool: dir})
	if _, err := push.New(push.Config{URL: "http://x/", Spool: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second one: %v", err)
	}
	first.Close()
	newPusher(t, push.Config{URL: "http://x/", Spool: dir})
}

func TestSpoolKeepsPicturesOnWrongPassword(t *testing.T) {
	c := newCollector()
	answers(c, nil, 401, 404, 413)
	s := serve(t, c)
	var outcomes results
	p := newPusher(t, push.Config{URL: s.URL, Spool: t.TempDir(), OnResult: outcomes.add})
	source, shots := newLive(), pictures(t, 2)
	end := run(p, source)
	source.show(shots[0])
	for deadline := time.Now().Add(20 * time.Second); len(outcomes.list()) < 3 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	source.show(shots[1])
	all := c.wait(t, "the second", atLeast(1))
	for deadline := time.Now().Add(20 * time.Second); len(outcomes.list()) < 4 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if err := end(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// 401 and 404 do not concern the picture, which was resent; 413 does.
	if state := p.State(); !bytes.Equal(all[0].data, shots[1]) || state.Refused != 1 || state.Delivered != 1 {
		t.Errorf("arrived: %s; state %+v, outcomes %+v", all[0].sequence, state, outcomes.list())
	}
}

func TestSpoolPreservesNames(t *testing.T) {
	c := newCollector()
	s := serve(t, c)
	names := []string{"photo.jpg", "a_b_c.png", "../../etc/passwd", "häuser & gärten.jpg", strings.Repeat("long", 100) + ".jpg", `C:\bilder\x.jpg`}
	want := []string{"photo.jpg", "a_b_c.png", "passwd", "häuser & gärten.jpg", "picture.jpg", "x.jpg"}
	p := newPusher(t, push.Config{URL: s.URL + "/{name}", As: push.Form, Spool: t.TempDir()})
	if err := p.Run(context.Background(), &named{names: names, data: jpeg(t, 1)}); err != nil {
		t.Fatal(err)
	}
	for i, one := range c.all() {
		if one.name != want[i] || one.path != "/"+want[i] {
			t.Errorf("%q arrived as %q at %q", names[i], one.name, one.path)
		}
	}
	if n := len(c.all()); n != len(names) {
		t.Errorf("%d arrived", n)
	}
}

// failing is a source that fails after its pictures.
type failing struct{ list }

func (f *failing) Next(ctx context.Context, s *push.Shot) error {
	err := f.list.Next(ctx, s)
	if errors.Is(err, io.EOF) {
		return errors.New("the camera is broken")
	}
	return err
}

func TestRunReturnsSourceErrorAfterItsPictures(t *testing.T) {
	for _, config := range []push.Config{{As: push.Raw}, {As: push.Multipart}, {As: push.Raw, Spool: t.TempDir()}} {
		c := newCollector()
		config.URL = serve(t, c).URL
		err := newPusher(t, config).Run(context.Background(), &failing{list{shots: pictures(t, 3)}})
		if err == nil || !strings.Contains(err.Error(), "the camera is broken") || len(c.all()) != 3 {
			t.Errorf("%s, spool %v: %v, %d arrived", config.As, config.Spool != "", err, len(c.all()))
		}
	}
}

type named struct {
	names []string
	data  []byte
}

func (n *named) Next(_ context.Context, s *push.Shot) error {
	if len(n.names) == 0 {
		return io.EOF
	}
	*s = push.Shot{Data: n.data, Name: n.names[0]}
	n.names = n.names[1:]
	return nil
}

func TestCountEndsRun(t *testing.T) {
	for _, config := range []push.Config{{As: push.Raw}, {As: push.Multipart}, {As: push.Raw, Spool: t.TempDir()}} {
		c := newCollector()
		s := serve(t, c)
		config.URL, config.Count = s.URL, 3
		p := newPusher(t, config)
		if err := p.Run(context.Background(), &list{shots: pictures(t, 10)}); err != nil {
			t.Fatal(err)
		}
		if n := len(c.all()); n != 3 {
			t.Errorf("%s: %d arrived", fmt.Sprint(config.As, config.Spool != ""), n)
		}
	}
}

func TestContextEndsStreamCleanly(t *testing.T) {
	for attempt := 1; ; attempt++ {
		c := newCollector()
		s := serve(t, c)
		var outcomes results
		p := newPusher(t, push.Config{URL: s.URL, As: push.Multipart, OnResult: outcomes.add})
		source := newLive()
		end := run(p, source)
		source.show(jpeg(t, 1))
		c.wait(t, "the first", atLeast(1)) // before any other: its end is marked by the boundary after it
		if err := end(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		got := outcomes.list()
		if len(got) == 1 && got[0].Err == nil && got[0].Reply.StatusCode == 200 {
			return
		}
		if attempt == 5 { // the server has a second to reply, which a busy machine may miss once
			t.Fatalf("outcomes %+v", got)
		}
	}
}

// stamped is a source of pictures with given times.
type stamped struct {
	shots [][]byte
	times []time.Time
	next  int
}

func (s *stamped) Next(ctx context.Context, shot *push.Shot) error {
	if s.next == len(s.shots) {
		return io.EOF
	}
	*shot = push.Shot{Data: s.shots[s.next], Captured: s.times[s.next]}
	s.next++
	return ctx.Err()
}

// Pictures are sent in the order taken, whatever the clock said, even by the next process, which finds them on disk.
func TestSpoolOrderIgnoresTheClock(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 123456000, time.UTC)
	times := []time.Time{now, time.Unix(42, 0), time.Unix(-5, 250000), now.Add(-time.Hour), now.AddDate(100, 0, 0), time.Unix(1, 0), now}
	shots, dir := pictures(t, len(times)), t.TempDir()
	p := newPusher(t, push.Config{URL: "http://127.0.0.1:1/", Spool: dir, Retry: -1})
	if err := p.Run(t.Context(), &stamped{shots: shots, times: times}); err != nil {
		t.Fatal(err)
	}
	p.Close()
	all, _ := deliver(t, dir, 64<<20)
	if len(all) != len(times) {
		t.Fatalf("%d of %d arrived", len(all), len(times))
	}
	for i, one := range all {
		if want := stamp.Format(times[i]); !bytes.Equal(one.data, shots[i]) || one.stamp != want {
			t.Errorf("arrival %d: stamp %s, want %s", i, one.stamp, want)
		}
	}
}
