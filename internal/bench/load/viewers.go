//go:build linux

package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Report is what the viewers received.
type Report struct {
	Viewers int
	Frames  int           // received by all
	Skipped int           // gaps in the sequence numbers
	Bytes   int64         // of pictures
	Elapsed time.Duration // of the measurement
	// P50, P95, P99 and Max are from a frame's X-Timestamp to its last byte read.
	P50, P95, P99, Max time.Duration
	// Least is the smallest number of frames of any viewer.
	Least int
	// Arrivals lists each frame if Viewers.Record is set.
	Arrivals []Arrival `json:",omitempty"`
}

// Arrival is the arrival of a frame's last byte at one viewer.
type Arrival struct {
	Sequence uint64 `json:"s"`
	UnixUS   int64  `json:"t"`
}

// Viewers are connections to one stream (in its plain form), read by one goroutine with a dedicated epoll. Go's poller waits for it, and raw
// system calls read it, which leave the runtime's monitor asleep: the cost of reading delays the last viewer's frame, which is not the server's fault.
type Viewers struct {
	poller  *os.File // the epoll in Go's poller; nil for stalled viewers
	conn    syscall.RawConn
	events  []unix.EpollEvent
	ready   int                      // of events
	poll    func(epoll uintptr) bool // allocated once
	viewers []viewer
	buffer  []byte
	ages    []time.Duration
	frames  int
	bytes   int64
	skipped int
	read4K  int // pieces read under a speed limit
	// Check, if not nil, gets each complete picture; the bytes are valid during the call only. It costs a copy.
	Check func(viewer int, sequence uint64, jpg []byte) error
	// Record adds each frame's arrival to the Report.
	Record bool
	// Markers checks each picture's length and its first and last two bytes, Sums the checksums of Payload's pictures, too.
	Markers, Sums bool
	arrivals      []Arrival
	// BytesPerSec, if not 0, limits how much all of them together read, in pieces of 4 KiB.
	BytesPerSec float64
	err         error
}

type viewer struct {
	fd       int
	head     []byte // of the current part, until its headers are complete
	left     int    // remaining bytes of the picture and its boundary
	size     int
	captured int64 // µs of Unix time
	sequence uint64
	gap      int // frames missed before this one
	frames   int
	began    bool   // the response's own headers have been passed
	jpg      []byte // for Check
	trailer  string // follows each picture
	first    [2]byte
	last     [lastBytes]byte // bytes read
	sum      uint32          // of the picture so far, except its last sumBytes
}

const slowPiece = 4 << 10

const (
	sumBytes  = 4 + 2 // Payload's checksum and the end marker
	longest   = 70    // of a boundary (RFC 2046)
	lastBytes = len("\r\n--\r\n") + longest + sumBytes
)

// Connect requests the stream at address (host:port) n times. path is usually "/stream".
func Connect(address, path string, n int) (*Viewers, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("viewers: epoll: %w", err)
	}
	if err := unix.SetNonblock(epoll, true); err != nil { // required by Go's poller
		unix.Close(epoll)
		return nil, fmt.Errorf("viewers: epoll: %w", err)
	}
	v := &Viewers{
		poller: os.NewFile(uintptr(epoll), "viewers"), events: make([]unix.EpollEvent, 512),
		buffer: make([]byte, 256<<10), ages: make([]time.Duration, 0, 1<<20),
	}
	if v.conn, err = v.poller.SyscallConn(); err != nil {
		v.Close()
		return nil, fmt.Errorf("viewers: epoll: %w", err)
	}
	v.poll = func(epoll uintptr) bool {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, epoll, uintptr(unsafe.Pointer(&v.events[0])), uintptr(len(v.events)), 0, 0, 0)
		if v.ready = 0; errno == 0 {
			v.ready = int(n)
		}
		return v.ready > 0
	}
	for i := range n {
		fd, err := request(address, path)
		if err != nil {
			v.Close()
			return nil, fmt.Errorf("viewers: connection %d: %w", i, err)
		}
		v.viewers = append(v.viewers, viewer{fd: fd, head: make([]byte, 0, 2048)})
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			v.Close()
			return nil, fmt.Errorf("viewers: watch: %w", err)
		}
	}
	return v, nil
}

// ConnectStalled is Connect for viewers that never read.
func ConnectStalled(address, path string, n int) (*Viewers, error) {
	v := &Viewers{}
	for i := range n {
		fd, err := request(address, path)
		if err != nil {
			v.Close()
			return nil, fmt.Errorf("viewers: connection %d: %w", i, err)
		}
		v.viewers = append(v.viewers, viewer{fd: fd})
	}
	return v, nil
}

func request(address, path string) (int, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return -1, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: "+address+"\r\n\r\n"); err != nil {
		return -1, err
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	if controlErr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); controlErr != nil {
		err = controlErr
	}
	return fd, err
}

// Close ends all connections.
func (v *Viewers) Close() {
	for i := range v.viewers {
		unix.Close(v.viewers[i].fd)
	}
	if v.poller != nil {
		v.poller.Close()
	}
}

// Read reads for d and reports what arrived in that time.
func (v *Viewers) Read(d time.Duration) (Report, error) {
	v.ages, v.arrivals, v.frames, v.bytes, v.skipped, v.read4K = v.ages[:0], v.arrivals[:0], 0, 0, 0, 0
	for i := range v.viewers {
		v.viewers[i].frames = 0
	}
	began := time.Now()
	end := began.Add(d)
	if err := v.poller.SetReadDeadline(end); err != nil {
		return Report{}, fmt.Errorf("viewers: wait: %w", err)
	}
	for v.err == nil && time.Now().Before(end) {
		if v.BytesPerSec > 0 {
			time.Sleep(time.Duration(float64(v.read4K)*slowPiece/v.BytesPerSec*1e9) - time.Since(began))
		}
		if err := v.conn.Read(v.poll); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			return Report{}, fmt.Errorf("viewers: wait: %w", err)
		}
		for _, e := range v.events[:v.ready] {
			if err := v.read(int(e.Fd)); err != nil {
				v.err = fmt.Errorf("viewer %d: %w", e.Fd, err)
				break
			}
		}
	}
	r := Report{Viewers: len(v.viewers), Frames: v.frames, Skipped: v.skipped, Bytes: v.bytes, Elapsed: time.Since(began), Arrivals: v.arrivals}
	for i := range v.viewers {
		if i == 0 || v.viewers[i].frames < r.Least {
			r.Least = v.viewers[i].frames
		}
	}
	if len(v.ages) > 0 {
		slices.Sort(v.ages)
		r.P50, r.P95, r.P99, r.Max = v.ages[len(v.ages)/2], v.ages[len(v.ages)*95/100], v.ages[len(v.ages)*99/100], v.ages[len(v.ages)-1]
	}
	return r, v.err
}

func (v *Viewers) read(index int) error {
	s := &v.viewers[index]
	buffer := v.buffer
	if v.BytesPerSec > 0 {
		buffer = buffer[:slowPiece]
		v.read4K++
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)), unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return nil
	}
	if errno != 0 {
		return errno
	}
	if n == 0 {
		return io.EOF
	}
	for b := v.buffer[:n]; len(b) > 0; {
		if s.left == 0 {
			rest, err := s.headers(b)
			if err != nil {
				return err
			}
			b = rest
			continue
		}
		take := min(s.left, len(b))
		if v.Check != nil {
			s.jpg = append(s.jpg, b[:take]...)
		}
		s.look(b[:take], v.Sums)
		b = b[take:]
		if s.left -= take; s.left == 0 {
			if err := v.finish(index); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Viewers) finish(index int) error {
	s := &v.viewers[index]
	now := time.Now().UnixMicro()
	v.ages = append(v.ages, time.Duration(now-s.captured)*time.Microsecond)
	if v.Record {
		v.arrivals = append(v.arrivals, Arrival{s.sequence, now})
	}
	if err := s.whole(v.Markers || v.Sums, v.Sums); err != nil {
		return fmt.Errorf("frame %d of %d bytes: %w", s.sequence, s.size, err)
	}
	v.frames++
	s.frames++
	v.skipped += s.gap
	v.bytes += int64(s.size)
	if v.Check == nil {
		return nil
	}
	err := v.Check(index, s.sequence, s.jpg[:s.size])
	s.jpg = s.jpg[:0]
	return err
}

// look records the picture's next bytes without storing them. s.left still counts them.
func (s *viewer) look(b []byte, sums bool) {
	at := s.size + len(s.trailer) - s.left
	for i := at; i < 2 && i-at < len(b); i++ {
		s.first[i] = b[i-at]
	}
	if sums {
		if at == 0 {
			s.sum = 0
		}
		if end := s.size - sumBytes - at; end > 0 {
			s.sum = crc32.Update(s.sum, crc32.IEEETable, b[:min(end, len(b))])
		}
	}
	if n := len(b); n >= lastBytes {
		copy(s.last[:], b[n-lastBytes:])
	} else {
		copy(s.last[:], s.last[n:])
		copy(s.last[lastBytes-n:], b)
	}
}

// whole returns what is wrong with a completely read picture.
func (s *viewer) whole(markers, sums bool) error {
	behind := lastBytes - len(s.trailer)
	tail, end := s.last[behind:], s.last[behind-2:behind]
	switch {
	case string(tail) != s.trailer:
		return fmt.Errorf("damaged boundary after it: %q", tail)
	case !markers:
	case s.first != [2]byte{0xFF, 0xD8}:
		return fmt.Errorf("begins with % x: not a JPEG", s.first)
	case end[0] != 0xFF || end[1] != 0xD9:
		return fmt.Errorf("ends with % x: not a JPEG", end)
	case sums && binary.BigEndian.Uint32(s.last[behind-sumBytes:]) != s.sum:
		return errors.New("wrong checksum")
	}
	return nil
}

// Payload returns size bytes (at least 16) as incompressible as a JPEG's, with a JPEG's markers at both ends and a checksum before the last; it is not
// decodable. i varies the content.
func Payload(i, size int) []byte {
	b := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)})
	_, _ = random.Read(b)
	copy(b, "\xFF\xD8")
	copy(b[size-2:], "\xFF\xD9")
	binary.BigEndian.PutUint32(b[size-sumBytes:], crc32.ChecksumIEEE(b[:size-sumBytes]))
	return b
}

// headers collects header bytes until they are complete and parses them; it returns the remaining bytes.
func (s *viewer) headers(b []byte) ([]byte, error) {
	had := len(s.head)
	s.head = append(s.head, b[:min(len(b), cap(s.head)-had)]...)
	end := bytes.Index(s.head, []byte("\r\n\r\n"))
	if end < 0 {
		if len(s.head) == cap(s.head) {
			return nil, errors.New("headers do not end")
		}
		return nil, nil
	}
	rest := b[end+4-had:]
	head := s.head[:end+2]
	s.head = s.head[:0]
	if !s.began {
		s.began = true
		kind, params, err := mime.ParseMediaType(field(head, "Content-Type: "))
		if !bytes.HasPrefix(head, []byte("HTTP/1.")) || string(head[8:13]) != " 200 " || err != nil ||
			!strings.HasPrefix(kind, "multipart/") || len(params["boundary"]) > longest {
			return nil, fmt.Errorf("reply: %.80q", head)
		}
		s.trailer = "\r\n--" + params["boundary"] + "\r\n"
		return rest, nil
	}
	size, err := strconv.Atoi(field(head, "Content-Length: "))
	if err != nil {
		return nil, fmt.Errorf("part without Content-Length: %.80q", head)
	}
	stamp := field(head, "X-Timestamp: ")
	seconds, micros, _ := bytes.Cut([]byte(stamp), []byte("."))
	sec, _ := strconv.ParseInt(string(seconds), 10, 64)
	us, _ := strconv.ParseInt(string(micros), 10, 64)
	s.captured = sec*1e6 + us
	sequence, _ := strconv.ParseUint(field(head, "X-Sequence: "), 10, 64)
	if s.sequence != 0 && sequence != 0 { // other servers do not count
		s.gap = int(sequence - s.sequence - 1)
	}
	s.sequence = sequence
	s.size, s.left = size, size+len(s.trailer)
	return rest, nil
}

func field(head []byte, name string) string {
	_, value, _ := bytes.Cut(head, []byte(name))
	value, _, _ = bytes.Cut(value, []byte("\r\n"))
	return string(value)
}
