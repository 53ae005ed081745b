package annexb_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/annexb"
	"github.com/maixstream/maixstream/internal/testenv"
)

// make264 encodes ffmpeg's test picture.
func make264(t testing.TB, args ...string) []byte {
	t.Helper()
	c := exec.Command(testenv.Program(t, "ffmpeg"), append(append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=30", "-pix_fmt", "yuv420p"}, args...), "-f", "h264", "-")...)
	var problems bytes.Buffer
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		t.Fatalf("ffmpeg %v: %v: %s", args, err, problems.String())
	}
	return out
}

// probe returns the sizes of a stream's packets as split by ffmpeg, and which are key frames.
func probe(t *testing.T, stream []byte) (sizes []int, keys []bool) {
	t.Helper()
	c := exec.Command(testenv.Program(t, "ffprobe"), "-v", "error", "-f", "h264", "-show_entries", "packet=size,flags", "-of", "csv=p=0", "-")
	c.Stdin = bytes.NewReader(stream)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		size, flags, _ := strings.Cut(strings.TrimSpace(line), ",")
		n, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		sizes, keys = append(sizes, n), append(keys, strings.Contains(flags, "K"))
	}
	return sizes, keys
}

// unit is an access unit with its own memory.
type unit struct {
	nals [][]byte
	key  bool
}

func collect(t testing.TB, in io.Reader) (units []unit, problems []error) {
	t.Helper()
	r := annexb.NewReader(in)
	var u frame.AccessUnit
	for {
		err := r.Next(&u)
		if errors.Is(err, io.EOF) {
			return units, problems
		}
		if err != nil {
			if !errors.Is(err, frame.ErrBadPicture) && !errors.Is(err, frame.ErrTooLarge) {
				t.Fatal(err)
			}
			problems = append(problems, err)
			continue
		}
		one := unit{key: u.Key}
		for _, n := range u.NALs {
			one.nals = append(one.nals, bytes.Clone(n))
		}
		units = append(units, one)
	}
}

// types lists the units' NAL unit types: "7 8 5|1|1".
func types(units []unit) string {
	var all []string
	for _, u := range units {
		var one []string
		for _, n := range u.nals {
			one = append(one, fmt.Sprint(n[0]&0x1f))
		}
		all = append(all, strings.Join(one, " "))
	}
	return strings.Join(all, "|")
}

// nalsOf splits at start codes of three bytes or more.
func nalsOf(stream []byte) (nals [][]byte) {
	for _, n := range bytes.Split(stream, []byte{0, 0, 1})[1:] {
		nals = append(nals, bytes.TrimRight(n, "\x00"))
	}
	return nals
}

// The units are those that ffmpeg finds, with all bytes, for any encoder options and however the stream is fragmented.
func TestUnitsMatchFFmpegs(t *testing.T) {
	for name, args := range map[string][]string{
		"usual":              {"-frames:v", "40", "-c:v", "libx264", "-g", "15"},
		"no B-frames":        {"-frames:v", "40", "-c:v", "libx264", "-g", "15", "-bf", "0"},
		"low delay":          {"-frames:v", "40", "-c:v", "libx264", "-g", "15", "-tune", "zerolatency"},
		"delimiters":         {"-frames:v", "40", "-c:v", "libx264", "-g", "15", "-x264-params", "aud=1"},
		"slices":             {"-frames:v", "40", "-c:v", "libx264", "-g", "15", "-x264-params", "slices=5"},
		"baseline":           {"-frames:v", "40", "-c:v", "libx264", "-g", "15", "-profile:v", "baseline"},
		"timing":             {"-frames:v", "40", "-c:v", "libx264", "-g", "15", "-x264-params", "nal-hrd=cbr:vbv-maxrate=500:vbv-bufsize=500", "-b:v", "500k"},
		"high 4:2:2, 10 bit": {"-frames:v", "20", "-c:v", "libx264", "-g", "15", "-pix_fmt", "yuv422p10le"},
		"still":              {"-vf", "loop=40:1:0", "-frames:v", "40", "-c:v", "libx264", "-g", "15", "-tune", "zerolatency"},
		"weighted, 3 slices": {"-frames:v", "40", "-c:v", "libx264", "-g", "15", "-bf", "3", "-x264-params", "b-pyramid=strict:slices=3:weightp=2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := make264(t, args...)
			sizes, keys := probe(t, stream)
			for how, in := range map[string]io.Reader{
				"whole": bytes.NewReader(stream), "halves": iotest.HalfReader(bytes.NewReader(stream)), "bytes": iotest.OneByteReader(bytes.NewReader(stream)),
			} {
				units, problems := collect(t, in)
				if len(problems) > 0 || len(units) != len(sizes) {
					t.Fatalf("%s: %d units, ffmpeg has %d; %v", how, len(units), len(sizes), problems)
				}
				var all [][]byte
				for i, u := range units {
					if u.key != keys[i] {
						t.Errorf("%s: unit %d: key frame %v, ffmpeg: %v", how, i, u.key, keys[i])
					}
					all = append(all, u.nals...)
				}
				if !slices.EqualFunc(all, nalsOf(stream), bytes.Equal) {
					t.Errorf("%s: other NAL units than in the stream: %s", how, types(units))
				}
			}
		})
	}
}

// Interlaced: two fields with a slice each make up one unit, as in ffmpeg's packets.
func TestBothFieldsAreOneUnit(t *testing.T) {
	stream := make264(t, "-frames:v", "20", "-c:v", "libx264", "-g", "10", "-flags", "+ildct+ilme", "-x264-params", "tff=1")
	sizes, _ := probe(t, stream)
	if units, problems := collect(t, bytes.NewReader(stream)); len(units) != len(sizes) || len(problems) > 0 {
		t.Errorf("%d units, ffmpeg has %d; %v", len(units), len(sizes), problems)
	}
}

// A device's buffer holds a unit, and parameter sets in a separate buffer are put before the next one.
func TestBuffers(t *testing.T) {
	var b annexb.Buffers
	var u frame.AccessUnit
	idr, p := sliceOf(t, true, 0, 0, 0), sliceOf(t, false, 0, 1, 0)
	for i, c := range []struct {
		data    []byte
		lost    bool
		want    string
		problem bool
	}{
		{data: join(long, p)}, // undecodable
		{data: join(long, sps, pps)},
		{data: join(long, idr), want: "7 8 5"},
		{data: join(short, p, sliceOf(t, false, 6, 1, 0)), want: "1 1"},
		{data: append(join(short, p), 0, 0, 0), want: "1"},
		{data: p, problem: true}, // no start code
		{data: join(long, p)},
		{data: join(long, sps, pps, idr), want: "7 8 5"},
		{data: join(long, p), want: "1"},
		{data: join(long, p), lost: true},
		{data: join(long, idr), want: "7 8 5"},
		{data: nil, problem: true},
	} {
		if c.lost {
			b.Lost()
		}
		err := b.Unit(c.data, &u)
		if (err != nil) != c.problem || err != nil && !errors.Is(err, frame.ErrBadPicture) {
			t.Errorf("buffer %d: %v", i, err)
		}
		if got := types([]unit{{nals: u.NALs}}); err == nil && got != c.want {
			t.Errorf("buffer %d: %q, want %q", i, got, c.want)
		}
	}
	if info := b.Info(); info.Width != 64 || info.Height != 48 {
		t.Errorf("%+v", info)
	}
}

// A unit over the limit is reported and skipped, and memory stays bounded.
func TestUnitTooLarge(t *testing.T) {
	idr := sliceOf(t, true, 0, 0, 0)
	huge := append(bytes.Clone(idr), bytes.Repeat([]byte{0xaa}, 2*annexb.MaxUnit)...)
	units, problems := collect(t, bytes.NewReader(join(long, sps, pps, idr, sps, pps, huge, sliceOf(t, false, 0, 1, 0), sps, pps, idr)))
	if got := types(units); got != "7 8 5|7 8 5" || len(problems) != 1 || !errors.Is(problems[0], frame.ErrTooLarge) {
		t.Errorf("%s; %v", got, problems)
	}
}

// endless repeats a stream.
type endless struct {
	stream []byte
	at     int
}

func (e *endless) Read(b []byte) (int, error) {
	n := copy(b, e.stream[e.at:])
	e.at = (e.at + n) % len(e.stream)
	return n, nil
}

func TestReaderDoesNotAllocate(t *testing.T) {
	r := annexb.NewReader(&endless{stream: make264(t, "-frames:v", "30", "-c:v", "libx264", "-g", "15")})
	var u frame.AccessUnit
	next := func() {
		if err := r.Next(&u); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		next()
	}
	if n := testing.AllocsPerRun(200, next); n != 0 {
		t.Errorf("%v allocations per unit", n)
	}
}

// For any input, the units do not depend on its fragmentation, and all their bytes are from the stream or its parameter sets.
func FuzzReader(f *testing.F) {
	stream := join(long, sps, pps, []byte{6, 5, 1, 0xaa, 0x80}, []byte{0x65, 0xb8, 0x20, 0x55}, []byte{9, 0xf0}, []byte{0x41, 0xe0, 0x88}, []byte{14, 0x80}, []byte{0x41, 0xe1, 0x88})
	f.Add(stream)
	f.Add(append([]byte("garbage"), stream...))
	f.Add(bytes.ReplaceAll(stream, []byte(long), []byte(short)))
	f.Add(make264(f, "-frames:v", "3", "-c:v", "libx264", "-s", "32x32", "-x264-params", "slices=2"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		units, problems := collect(t, bytes.NewReader(stream))
		again, same := collect(t, iotest.OneByteReader(bytes.NewReader(stream)))
		if types(units) != types(again) || len(problems) != len(same) {
			t.Fatalf("%s whole, %s in bytes; %v, %v", types(units), types(again), problems, same)
		}
		for i, u := range units {
			for j, n := range u.nals {
				if len(n) == 0 || !bytes.Contains(stream, n) || !bytes.Equal(n, again[i].nals[j]) {
					t.Fatalf("unit %d, NAL unit %d: % x", i, j, n)
				}
			}
		}
		if len(units) > 0 && !units[0].key {
			t.Fatal("no key frame first")
		}
		var b annexb.Buffers
		var u frame.AccessUnit
		_ = b.Unit(stream, &u)
	})
}

// Handmade parameter sets and slices: 64x48, baseline, frame_num of 4 bits, picture order of type 2.
var (
	sps = []byte{0x67, 0x42, 0xc0, 0x1e, 0xda, 0x11, 0xe4}
	pps = []byte{0x68, 0xce, 0x3c, 0x80}
)

// bitString appends bits, and the trailing one.
func bitString(head byte, bits string) []byte {
	bits = strings.ReplaceAll(bits, " ", "") + "1"
	for len(bits)%8 != 0 {
		bits += "0"
	}
	nal := []byte{head}
	for i := 0; i < len(bits); i += 8 {
		v, _ := strconv.ParseUint(bits[i:i+8], 2, 8)
		nal = append(nal, byte(v))
	}
	return nal
}

func ue(v uint64) string {
	b := strconv.FormatUint(v+1, 2)
	return strings.Repeat("0", len(b)-1) + b
}

// sliceOf writes a slice header and some data.
func sliceOf(t *testing.T, idr bool, first, frameNum, idrID uint64) []byte {
	t.Helper()
	head, kind, id := byte(0x41), uint64(5), ""
	if idr {
		head, kind, id = 0x65, 7, ue(idrID)
	}
	return bitString(head, ue(first)+ue(kind)+ue(0)+fmt.Sprintf("%04b", frameNum)+id+"1011011101110111011101")
}

func join(code string, nals ...[]byte) (stream []byte) {
	for _, n := range nals {
		stream = append(append(stream, code...), n...)
	}
	return stream
}

const long, short = "\x00\x00\x00\x01", "\x00\x00\x01"

func TestHandmadeUnits(t *testing.T) {
	idr := sliceOf(t, true, 0, 0, 0)
	p := func(n uint64) []byte { return sliceOf(t, false, 0, n, 0) }
	lower := func(n uint64) []byte { return sliceOf(t, false, 6, n, 0) }
	delimiter, sei, filler, end := []byte{9, 0xf0}, []byte{6, 5, 1, 0xaa, 0x80}, []byte{12, 0xff, 0x80}, []byte{10}
	prefix, extension := []byte{14, 0x80, 0x80, 0x80}, []byte{20, 0x80, 0x80, 0x80, 0x11}
	for _, c := range []struct {
		name    string
		stream  []byte
		want    string
		problem string
	}{
		{"short start codes", join(short, sps, pps, idr, p(1), p(2)), "7 8 5|1|1", ""},
		{"long start codes", join(long, sps, pps, idr, p(1), p(2)), "7 8 5|1|1", ""},
		{"zeros before start codes", join("\x00\x00\x00\x00\x00\x00\x01", sps, pps, idr, p(1)), "7 8 5|1", ""},
		{"zeros at the end", append(join(short, sps, pps, idr, p(1)), 0, 0, 0, 0), "7 8 5|1", ""},
		{"leading garbage", append([]byte("garbage\x00\x00\x02\x00"), join(long, sps, pps, idr, p(1))...), "7 8 5|1", ""},
		{"starts without a key frame", join(long, p(3), p(4), sps, pps, idr, p(1)), "7 8 5|1", ""},
		{"slices", join(long, sps, pps, idr, sliceOf(t, true, 6, 0, 0), p(1), lower(1), p(2), lower(2)), "7 8 5 5|1 1|1 1", ""},
		{"first slice lost", join(long, sps, pps, idr, lower(1), lower(2)), "7 8 5|1|1", ""},
		{"two key frames", join(long, sps, pps, idr, sliceOf(t, true, 0, 0, 1)), "7 8 5|7 8 5", ""},
		{"constant frame_num", join(long, sps, pps, idr, p(1), p(1), p(1)), "7 8 5|1|1|1", ""},
		{"delimiter, SEI, filler, end", join(long, delimiter, sps, pps, sei, idr, filler, delimiter, sei, p(1), filler, end, delimiter, p(2)), "9 7 8 6 5 12|9 6 1 12 10|9 1", ""},
		{"prefixes", join(long, sps, pps, prefix, idr, extension, prefix, p(1), extension, prefix, lower(1), prefix, p(2)), "7 8 14 5 20|14 1 20 14 1|14 1", ""},
		{"types reserved by RTP", join(long, sps, pps, idr, []byte{0x7c, 1, 2}, []byte{0x78, 1}, []byte{0, 1}, p(1)), "7 8 5|1", ""},
		{"the forbidden bit", join(long, sps, pps, idr, []byte{0xc1, 1, 2}, p(1)), "7 8 5|1", ""},
		{"parameter sets once", join(long, sps, pps, idr, p(1), sliceOf(t, true, 0, 0, 1), p(1)), "7 8 5|1|7 8 5|1", ""},
		{"parameter sets in a separate unit", join(long, sps, pps, delimiter, idr, delimiter, p(1)), "7 8 9 5|9 1", ""},
		{"no parameter sets", join(long, idr, p(1), p(2)), "", "without its parameter sets"},
		{"no PPS", join(long, sps, idr, p(1), sps, pps, idr), "7 8 5", "without its parameter sets"},
		{"a damaged SPS", join(long, sps[:3], pps, idr), "", "sequence parameter set"},
		{"truncated slice header", join(long, sps, pps, idr, p(1), []byte{0x41}, p(2)), "7 8 5|1|1", ""},
		{"nothing", nil, "", ""},
		{"no start code", bytes.Repeat([]byte{0x55}, 1000), "", ""},
		{"only a start code", []byte(long), "", ""},
		{"only parameter sets", join(long, sps, pps), "", ""},
	} {
		for how, in := range map[string]io.Reader{"whole": bytes.NewReader(c.stream), "bytes": iotest.OneByteReader(bytes.NewReader(c.stream))} {
			units, problems := collect(t, in)
			if got := types(units); got != c.want {
				t.Errorf("%s, %s: %s, want %s", c.name, how, got, c.want)
			}
			if text := fmt.Sprint(errors.Join(problems...)); c.problem != "" && !strings.Contains(text, c.problem) || c.problem == "" && problems != nil {
				t.Errorf("%s, %s: %s, want %q", c.name, how, text, c.problem)
			}
		}
	}
}

// shown returns the display position of a stream's pictures in ffmpeg, in coding order.
func shown(t *testing.T, stream []byte) (order []int) {
	t.Helper()
	c := exec.Command(testenv.Program(t, "ffprobe"), "-v", "error", "-f", "h264", "-show_entries", "frame=pkt_pos", "-of", "csv=p=0", "-")
	c.Stdin = bytes.NewReader(stream)
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var positions []int // in display order
	for line := range strings.Lines(string(out)) {
		field, _, _ := strings.Cut(strings.TrimSpace(line), ",")
		if field == "" { // a frame's side data
			continue
		}
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, n)
	}
	coded := slices.Sorted(slices.Values(positions))
	for _, p := range coded {
		order = append(order, slices.Index(positions, p))
	}
	return order
}

// The display order equals another decoder's, no picture is displayed before it is coded, and each has a distinct time.
func TestDisplayOrder(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		depth int
	}{
		"no B-frames": {[]string{"-bf", "0"}, 0},
		"baseline":    {[]string{"-profile:v", "baseline"}, 0},
		"B-frames":    {[]string{"-bf", "2", "-x264-params", "b-pyramid=none:b-adapt=0"}, 1},
		"pyramid":     {[]string{"-bf", "3", "-x264-params", "b-adapt=0"}, 2},
		"chosen":      {[]string{"-bf", "4"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			stream := make264(t, append([]string{"-frames:v", "60", "-c:v", "libx264", "-g", "24"}, c.args...)...)
			want := shown(t, stream)
			r := annexb.NewReader(bytes.NewReader(stream))
			var u frame.AccessUnit
			for i := range want {
				if err := r.Next(&u); err != nil {
					t.Fatal(err)
				}
				later, depth := r.Later()
				if depth != c.depth {
					t.Fatalf("unit %d: a depth of %d", i, depth)
				}
				if i+later-depth != want[i] {
					t.Fatalf("unit %d is shown %d later (depth %d), as picture %d; ffmpeg: %d", i, later, depth, i+later-depth, want[i])
				}
			}
		})
	}
}
