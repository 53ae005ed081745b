package fanout

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/maixstream/maixstream/pipeline/ring"
)

// fewSlots is the number of free slots of the ring below which unfinished frames are copied out of theirs: enough for every worker of a
// small machine and the frames that other readers hold.
const fewSlots = 6

// inlineBudget is how long the publishing goroutine sends a frame to viewers itself before the loop's goroutine takes over: waking that costs as much as
// four viewers' frames, and a PC has sent to 64 viewers by then. More would keep the producer from its next frame.
const inlineBudget = 2 * time.Millisecond

// loop serves many sockets, one turn at a time. Turns are taken by a goroutine of its own, and by the one that publishes; who has set taken owns everything
// but what stands under mu.
type loop struct {
	config Config
	epoll  int
	poller *os.File // the epoll, as Go's poller knows it
	second int      // timerfd: a second has passed; runs only while there are viewers
	reader *ring.Reader
	began  time.Time

	viewers []*socketViewer // by index; nil: free
	count   int
	newest  ring.Frame // held while a turn lasts
	last    uint64     // the sequence of the frame that viewers were offered last
	offered int        // how many of viewers were
	holds   int        // viewers that hold a slot
	leaving int        // viewers that are to be dropped by the next turn of the loop's goroutine
	ticked  time.Duration
	info    unix.TCPInfo // scratch

	mu      sync.Mutex
	arrived []*socketViewer
	some    atomic.Bool // arrived is not empty
	removal atomic.Bool // a viewer was dismissed

	taken   atomic.Bool   // somebody takes a turn
	missed  atomic.Bool   // the loop's goroutine wanted a turn meanwhile
	none    atomic.Bool   // there is no viewer
	turn    chan struct{} // a turn is to be taken: a frame, an event of the epoll, a new viewer, the end
	events  atomic.Bool   // the epoll has some
	closing atomic.Bool
	done    sync.WaitGroup
}

// socketViewer is a viewer with its socket, which nobody else knows.
type socketViewer struct {
	*Viewer
	fd    int
	index int
	rest  []byte     // of the frame that it is in the middle of
	frame ring.Frame // what holds rest; not held when rest is private
	own   []byte     // private memory, once slots were short
	asked bool       // epoll will tell when its socket has room
	gone  bool       // to be dropped for why
	half  bool       // it has closed its sending half
	why   Reason
	clear int // checks in a row that found nothing queued, up to probeEvery
	sends int // since the last check
}

// A viewer whose queue was empty at the last probeEvery checks is checked only before every probeEvery-th frame: asking costs a system
// call. That it has become slow shows at once, too, when its socket takes only a part of a frame.
const probeEvery = 8

func startLoop(c Config) (*loop, error) {
	l := &loop{config: c, began: time.Now(), turn: make(chan struct{}, 1), second: -1}
	if err := l.open(); err != nil {
		l.release()
		return nil, fmt.Errorf("fan-out: %w", err)
	}
	l.counted()
	l.reader = c.Ring.Subscribe(l.published)
	l.done.Go(l.watch)
	l.done.Go(l.run)
	return l, nil
}

func (l *loop) open() (err error) {
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	// Non-blocking is what makes Go's poller take it.
	if err := unix.SetNonblock(l.epoll, true); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	l.poller = os.NewFile(uintptr(l.epoll), "fan-out")
	if l.second, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("timerfd: %w", err)
	}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.second, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1}); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}

func (l *loop) release() {
	if l.poller != nil {
		l.poller.Close()
	}
	if l.second >= 0 {
		unix.Close(l.second)
	}
}

// wake makes the loop take a turn.
func (l *loop) wake() {
	select {
	case l.turn <- struct{}{}:
	default: // it will anyway
	}
}

// watch waits for events of the epoll. It does so in Go's poller and not in epoll_wait: while a goroutine waits in a system call, the
// runtime's monitor looks after it every 20 µs for a while, which costs more than sending to a few viewers. The loop itself waits in a
// channel, so that a frame costs no system call but the viewers' own.
func (l *loop) watch() {
	raw, err := l.poller.SyscallConn()
	for err == nil {
		waited := false
		err = raw.Read(func(uintptr) bool {
			if waited {
				return true
			}
			waited = true
			// From here on the poller notes what comes. What came before, while nobody waited, it may have forgotten: this turn fetches it.
			l.events.Store(true)
			l.wake()
			return false
		})
	}
}

// add takes over a plain socket; false when conn is none.
func (l *loop) add(conn net.Conn, v *Viewer) (bool, error) {
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return false, nil
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return false, nil
	}
	// A descriptor of our own, and the Go connection closed: Go's poller then no longer wakes for this socket, and the number cannot be
	// given to another file behind our back.
	fd := -1
	if controlErr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); controlErr != nil {
		err = controlErr
	}
	conn.Close()
	if err != nil {
		return true, fmt.Errorf("fan-out: take over socket: %w", err)
	}
	limitSocket(fd)
	s := &socketViewer{Viewer: v, fd: fd}
	l.mu.Lock()
	l.arrived = append(l.arrived, s)
	l.some.Store(true)
	l.mu.Unlock()
	l.wake()
	return true, nil
}

// dismiss closes the viewers that are marked so.
func (l *loop) dismiss() {
	l.removal.Store(true)
	l.wake()
}

func (l *loop) close() {
	if l.closing.CompareAndSwap(false, true) {
		l.reader.Close()
		l.wake()
	}
	l.done.Wait()
}

// published is called in the producer's goroutine after each frame, and sends it to viewers.
func (l *loop) published() {
	if l.none.Load() && !l.closing.Load() {
		return
	}
	if !l.taken.CompareAndSwap(false, true) {
		l.wake()
		return
	}
	held := l.config.Ring.Latest(&l.newest)
	// What may take long, or call others, is left to the loop's goroutine.
	more := !l.offerAll(inlineBudget) || l.leaving > 0 || l.short()
	if held {
		l.newest.Release()
	}
	l.taken.Store(false)
	if l.missed.Swap(false) || more || l.closing.Load() {
		l.wake()
	}
}

func (l *loop) run() {
	events := make([]unix.EpollEvent, 256)
	for range l.turn {
		if !l.taken.CompareAndSwap(false, true) {
			l.missed.Store(true)
			if l.taken.CompareAndSwap(false, true) { // given back in between
				l.missed.Store(false)
			} else {
				continue // who has it wakes again
			}
		}
		if l.closing.Load() {
			break
		}
		l.takeTurn(events)
		l.taken.Store(false)
	}
	l.welcome() // those that came last are closed, too
	for _, s := range l.viewers {
		if s != nil {
			l.drop(s, Closed)
		}
	}
	l.release()
}

// takeTurn does whatever there is to do, in the loop's goroutine.
func (l *loop) takeTurn(events []unix.EpollEvent) {
	if l.some.Load() {
		l.welcome()
	}
	if l.removal.Swap(false) {
		for _, s := range l.viewers {
			if s != nil && s.dismissed.Load() {
				l.drop(s, Dismissed)
			}
		}
	}
	held := l.count > 0 && l.config.Ring.Latest(&l.newest)
	l.offerAll(0)
	if l.short() {
		l.relieve()
	}
	if l.events.Swap(false) {
		l.handle(events)
	}
	if now := time.Since(l.began); l.count > 0 && now-l.ticked >= time.Second-50*time.Millisecond {
		l.ticked = now
		l.tick(now)
		// Whoever was not ready for the newest frame gets the next one, but there may be none for long.
		l.offered = 0
		l.offerAll(0)
	}
	if held {
		l.newest.Release()
	}
	for i := 0; l.leaving > 0 && i < len(l.viewers); i++ {
		if s := l.viewers[i]; s != nil && s.gone {
			l.drop(s, s.why)
		}
	}
}

// offerAll sends the newest frame to all viewers that are ready for it, once, for about as long as within says; 0: to the end. It says whether that was reached.
func (l *loop) offerAll(within time.Duration) bool {
	if !l.newest.Held() {
		return true
	}
	if sequence := l.newest.Meta().Sequence; sequence != l.last {
		l.last, l.offered = sequence, 0
	}
	began := time.Since(l.began)
	for l.offered < len(l.viewers) {
		if within > 0 && l.offered%4 == 3 && time.Since(l.began)-began > within {
			return false
		}
		s := l.viewers[l.offered]
		l.offered++
		if s != nil && s.rest == nil && !s.gone {
			l.offer(s, began, true)
		}
	}
	return true
}

// welcome takes in new viewers. Their sockets are writable, so the epoll tells at once, and they get the newest frame.
func (l *loop) welcome() {
	l.mu.Lock()
	arrived := l.arrived
	l.arrived = nil
	l.some.Store(false)
	l.mu.Unlock()
	for _, s := range arrived {
		s.start(time.Since(l.began))
		for s.index < len(l.viewers) && l.viewers[s.index] != nil {
			s.index++
		}
		if s.index == len(l.viewers) {
			l.viewers = append(l.viewers, nil)
		}
		l.viewers[s.index] = s
		l.count++
		if l.count == 1 {
			l.ticking(true)
		}
		l.counted()
		if s.dismissed.Load() {
			l.drop(s, Dismissed)
		} else if l.ask(s, unix.EPOLL_CTL_ADD) != nil {
			l.drop(s, Left)
		}
	}
}

// counted tells the producer's goroutine whether there are viewers.
func (l *loop) counted() { l.none.Store(l.count == 0) }

// ask makes epoll tell once when the socket has room, also if it has now, and when the viewer goes or sends no more.
func (l *loop) ask(s *socketViewer, op int) error {
	s.asked = true
	return unix.EpollCtl(l.epoll, op, s.fd, &unix.EpollEvent{
		Events: unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(s.index), Pad: int32(s.fd),
	})
}

// handle fetches what the epoll has and acts on it.
func (l *loop) handle(events []unix.EpollEvent) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return // closed: the end
	}
	if int(n) == len(events) { // there may be more, of which nobody would tell
		l.events.Store(true)
		l.wake()
	}
	for i := range events[:n] {
		l.one(&events[i])
	}
}

func (l *loop) one(e *unix.EpollEvent) {
	if e.Fd < 0 { // a second has passed
		// The kernel starts a periodic timerfd again only when it is read (fs/timerfd.c).
		var expirations [8]byte
		_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(l.second), uintptr(unsafe.Pointer(&expirations[0])), uintptr(len(expirations)))
		return
	}
	s := l.viewers[e.Fd]
	if s == nil || s.fd != int(e.Pad) {
		return // closed earlier in this turn
	}
	if e.Events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		l.drop(s, Left)
		return
	}
	// It sends no more: it has closed its half, as nc -N and some proxies do and go on reading, or has left. Only a write tells which: a socket
	// that is closed answers with a reset. The newest frame, even if it has had that, is the write that need not wait for another.
	if e.Events&unix.EPOLLRDHUP != 0 && !s.half {
		s.half, s.sequence, s.due = true, 0, 0
	}
	s.asked = false
	if s.gone || s.rest != nil && !l.resume(s) {
		return
	}
	if l.newest.Held() {
		l.offer(s, time.Since(l.began), false)
	}
}

// offer sends the newest frame to a viewer that is not in the middle of one, if it has not had it and the one before has left.
func (l *loop) offer(s *socketViewer, at time.Duration, published bool) {
	m := l.newest.Meta()
	if m.Sequence == s.sequence {
		return
	}
	if !l.ready(s) {
		if published && !s.asked && l.ask(s, unix.EPOLL_CTL_MOD) != nil {
			l.leave(s, Left)
		}
		return
	}
	if !s.wants(at) {
		return
	}
	piece := s.Form.piece(&l.newest)
	if piece == nil {
		l.leave(s, Broken)
		return
	}
	n, errno := send(s.fd, piece)
	switch {
	case errno == unix.EAGAIN: // the epoll tells when there is room; it gets then what is newest then
		s.asked, s.clear = true, 0
	case errno != 0:
		l.leave(s, Left)
	default:
		s.begin(m, at)
		s.took(n)
		if n == len(piece) {
			s.finished()
			return
		}
		s.asked, s.clear = true, 0
		s.rest = piece[n:]
		l.newest.Share(&s.frame)
		l.holds++
	}
}

// ready says whether the frame before has left.
func (l *loop) ready(s *socketViewer) bool {
	if s.clear == probeEvery && s.sends < probeEvery {
		s.sends++
		return true
	}
	unacked, ready := queued(s.fd, &l.info)
	s.sends = 0
	if s.clear = min(s.clear+1, probeEvery); unacked > 0 {
		s.clear = 0
	}
	return ready
}

// resume goes on with an unfinished frame; true when it is finished.
func (l *loop) resume(s *socketViewer) bool {
	n, errno := send(s.fd, s.rest)
	if errno != 0 {
		if errno != unix.EAGAIN {
			l.drop(s, Left)
		}
		return false
	}
	s.took(n)
	if s.rest = s.rest[n:]; len(s.rest) > 0 {
		return false
	}
	s.rest = nil
	l.let(s)
	s.finished()
	return true
}

// let gives back the slot that a viewer holds, if it does.
func (l *loop) let(s *socketViewer) {
	if s.frame.Held() {
		s.frame.Release()
		l.holds--
	}
}

// short says whether the ring runs short of slots while viewers hold some.
func (l *loop) short() bool { return l.holds > 0 && l.config.Ring.Free() < fewSlots }

// relieve copies unfinished frames out of their slots.
func (l *loop) relieve() {
	for _, s := range l.viewers {
		if s != nil && s.frame.Held() {
			s.own = append(s.own[:0], s.rest...)
			s.rest = s.own
			l.let(s)
		}
	}
}

// ticking lets the timer run, which is only for rates and stalled viewers: frames never wait for it.
func (l *loop) ticking(on bool) {
	var period unix.ItimerSpec
	if on {
		second := unix.NsecToTimespec(int64(time.Second))
		period = unix.ItimerSpec{Interval: second, Value: second}
	}
	_ = unix.TimerfdSettime(l.second, 0, &period, nil)
}

// tick closes stalled viewers and computes rates.
func (l *loop) tick(now time.Duration) {
	for _, s := range l.viewers {
		if s == nil {
			continue
		}
		unacked, _ := queued(s.fd, &l.info)
		if s.tick(now, l.config.StallTimeout, unacked, s.rest != nil) {
			// Nobody takes what is queued: a reset frees the kernel's memory at once.
			_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			l.drop(s, Stalled)
		}
	}
}

// leave has a viewer dropped at the end of a turn of the loop's goroutine: that takes long, and calls others.
func (l *loop) leave(s *socketViewer, why Reason) {
	s.gone, s.why = true, why
	l.leaving++
}

func (l *loop) drop(s *socketViewer, reason Reason) {
	l.let(s)
	if s.gone {
		l.leaving--
	}
	s.rest, s.own = nil, nil
	unix.Close(s.fd)
	l.viewers[s.index] = nil
	if l.count--; l.count == 0 {
		l.ticking(false)
	}
	l.counted()
	if s.Gone != nil {
		s.Gone(reason)
	}
}
