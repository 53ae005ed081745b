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
// four viewers' frames, and a PC has sent to 64 viewers by then. A larger budget would delay the producer's next frame.
const inlineBudget = 2 * time.Millisecond

// loop serves many sockets, one turn at a time. Turns run in a goroutine of its own or in the publishing goroutine; whichever has set busy owns all fields
// except those guarded by mu.
type loop struct {
	config Config
	epoll  int
	poller *os.File // the epoll instance, registered with Go's poller
	second int      // timerfd that fires once a second; armed only while there are viewers
	reader *ring.Reader
	began  time.Time

	viewers []*socketViewer // by index; nil: free
	count   int
	newest  ring.Frame // held for the duration of a turn
	last    uint64     // sequence of the frame that viewers were last offered
	offered int        // number of viewers that were
	holds   int        // number of viewers that hold a slot
	leaving int        // number of viewers to be dropped by the next turn of the loop's goroutine
	ticked  time.Duration
	info    unix.TCPInfo // scratch

	mu      sync.Mutex
	arrived []*socketViewer
	pending atomic.Bool // arrived is not empty
	removal atomic.Bool // a viewer was dismissed

	busy    atomic.Bool   // a turn is running
	missed  atomic.Bool   // the loop's goroutine wanted a turn meanwhile
	idle    atomic.Bool   // there are no viewers
	turn    chan struct{} // a turn is due: a frame, an epoll event, a new viewer, or the end
	events  atomic.Bool   // the epoll instance has events
	closing atomic.Bool
	done    sync.WaitGroup
}

// socketViewer is a viewer with its socket, which no one else owns.
type socketViewer struct {
	*Viewer
	fd    int
	index int
	rest  []byte     // unsent rest of the current frame
	frame ring.Frame // holds the slot that rest points into; not held if rest is private
	own   []byte     // private memory, allocated once slots ran short
	asked bool       // epoll will report when the socket is writable
	gone  bool       // to be dropped, for reason why
	half  bool       // the peer has closed its sending side
	why   Reason
	clear int // consecutive checks that found nothing queued, up to probeEvery
	sends int // since the last check
}

// A viewer whose queue was empty at the last probeEvery checks is checked only before every probeEvery-th frame, because a check costs a system
// call. A viewer that has become slow is also detected at once when its socket accepts only part of a frame.
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
	// Go's poller accepts only non-blocking descriptors.
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

// wake schedules a turn of the loop.
func (l *loop) wake() {
	select {
	case l.turn <- struct{}{}:
	default: // already scheduled
	}
}

// watch waits for epoll events. It does so in Go's poller instead of epoll_wait: while a goroutine waits in a system call, the
// runtime's monitor checks it every 20 µs for a while, which costs more than sending to a few viewers. The loop itself waits on a
// channel, so that a frame costs no system calls except the viewers' own.
func (l *loop) watch() {
	raw, err := l.poller.SyscallConn()
	for err == nil {
		waited := false
		err = raw.Read(func(uintptr) bool {
			if waited {
				return true
			}
			waited = true
			// From here on the poller records events. It may have lost those from before, while nobody waited; this turn fetches them.
			l.events.Store(true)
			l.wake()
			return false
		})
	}
}

// add takes over a plain socket; it returns false if conn is not one.
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
	// A duplicate descriptor, with the Go connection closed: Go's poller no longer wakes for this socket, and the number cannot be
	// reused for another file while it is in use here.
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
	l.pending.Store(true)
	l.mu.Unlock()
	l.wake()
	return true, nil
}

// dismiss closes the viewers marked as dismissed.
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

// published is called in the producer's goroutine after each frame and sends it to viewers.
func (l *loop) published() {
	if l.idle.Load() && !l.closing.Load() {
		return
	}
	if !l.busy.CompareAndSwap(false, true) {
		l.wake()
		return
	}
	held := l.config.Ring.Latest(&l.newest)
	// Whatever may take long or calls other code is left to the loop's goroutine.
	more := !l.offerAll(inlineBudget) || l.leaving > 0 || l.short()
	if held {
		l.newest.Release()
	}
	l.busy.Store(false)
	if l.missed.Swap(false) || more || l.closing.Load() {
		l.wake()
	}
}

func (l *loop) run() {
	events := make([]unix.EpollEvent, 256)
	for range l.turn {
		if !l.busy.CompareAndSwap(false, true) {
			l.missed.Store(true)
			if l.busy.CompareAndSwap(false, true) { // released in between
				l.missed.Store(false)
			} else {
				continue // the other turn wakes this goroutine when it ends
			}
		}
		if l.closing.Load() {
			break
		}
		l.takeTurn(events)
		l.busy.Store(false)
	}
	l.welcome() // the last arrivals are closed, too
	for _, s := range l.viewers {
		if s != nil {
			l.drop(s, Closed)
		}
	}
	l.release()
}

// takeTurn does all pending work, in the loop's goroutine.
func (l *loop) takeTurn(events []unix.EpollEvent) {
	if l.pending.Load() {
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
		// A viewer that was not ready for the newest frame gets the next one, but that may be a long time coming.
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

// offerAll sends the newest frame to all viewers that are ready for it, within about the given time (0: no limit). It reports whether it reached the end.
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

// welcome adopts new viewers. Their sockets are writable, so epoll reports them at once and they get the newest frame.
func (l *loop) welcome() {
	l.mu.Lock()
	arrived := l.arrived
	l.arrived = nil
	l.pending.Store(false)
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
func (l *loop) counted() { l.idle.Store(l.count == 0) }

// ask makes epoll report once when the socket is writable (even if it is now) and when the viewer disconnects or closes its sending side.
func (l *loop) ask(s *socketViewer, op int) error {
	s.asked = true
	return unix.EpollCtl(l.epoll, op, s.fd, &unix.EpollEvent{
		Events: unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(s.index), Pad: int32(s.fd),
	})
}

// handle fetches and handles epoll events.
func (l *loop) handle(events []unix.EpollEvent) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return // closed: shutting down
	}
	if int(n) == len(events) { // there may be more, which would not be reported again
		l.events.Store(true)
		l.wake()
	}
	for i := range events[:n] {
		l.handleEvent(&events[i])
	}
}

func (l *loop) handleEvent(e *unix.EpollEvent) {
	if e.Fd < 0 { // the timer fired
		// The kernel rearms a periodic timerfd only when it is read (fs/timerfd.c).
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
	// The peer sends no more: it has closed its sending side and reads on, as nc -N and some proxies do, or it has left. Only a write tells: a closed
	// socket answers with a reset. Writing the newest frame, even again, avoids waiting for the next one.
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

// offer sends the newest frame to a viewer that is between frames, has not had it, and whose previous frame has been delivered.
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
	case errno == unix.EAGAIN: // epoll reports when there is room; the viewer then gets the newest frame of that moment
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

// ready reports whether the previous frame has been delivered.
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

// resume continues an unfinished frame and reports whether it is finished.
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
	l.releaseSlot(s)
	s.finished()
	return true
}

// releaseSlot releases the slot that a viewer holds, if any.
func (l *loop) releaseSlot(s *socketViewer) {
	if s.frame.Held() {
		s.frame.Release()
		l.holds--
	}
}

// short reports whether the ring is short of slots while viewers hold some.
func (l *loop) short() bool { return l.holds > 0 && l.config.Ring.Free() < fewSlots }

// relieve copies unfinished frames out of their slots.
func (l *loop) relieve() {
	for _, s := range l.viewers {
		if s != nil && s.frame.Held() {
			s.own = append(s.own[:0], s.rest...)
			s.rest = s.own
			l.releaseSlot(s)
		}
	}
}

// ticking starts or stops the timer, which serves only rates and stall detection: frames never wait for it.
func (l *loop) ticking(on bool) {
	var period unix.ItimerSpec
	if on {
		second := unix.NsecToTimespec(int64(time.Second))
		period = unix.ItimerSpec{Interval: second, Value: second}
	}
	_ = unix.TimerfdSettime(l.second, 0, &period, nil)
}

// tick disconnects stalled viewers and computes rates.
func (l *loop) tick(now time.Duration) {
	for _, s := range l.viewers {
		if s == nil {
			continue
		}
		unacked, _ := queued(s.fd, &l.info)
		if s.tick(now, l.config.StallTimeout, unacked, s.rest != nil) {
			// Nobody will read what is queued: a reset frees the kernel's memory at once.
			_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
			l.drop(s, Stalled)
		}
	}
}

// leave marks a viewer to be dropped at the end of a turn of the loop's goroutine, because that may take long and calls other code.
func (l *loop) leave(s *socketViewer, why Reason) {
	s.gone, s.why = true, why
	l.leaving++
}

func (l *loop) drop(s *socketViewer, reason Reason) {
	l.releaseSlot(s)
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
