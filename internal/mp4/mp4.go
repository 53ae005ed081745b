// Package mp4 writes an H.264 stream as fragmented MP4 (ISO/IEC 14496-12), one fragment a picture, without an allocation a fragment. The boxes are
// mediacommon's: of a fragment it makes one as a pattern, in which only numbers change from picture to picture.
package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

// Timescale is the track's clock in ticks a second, as RTP has it for video.
const Timescale = 90000

// trackID is the one track's.
const trackID = 1

// Init returns the boxes before the first fragment (ftyp, moov) for a stream with these parameter sets.
func Init(sps, pps []byte) ([]byte, error) {
	var out seekablebuffer.Buffer
	init := fmp4.Init{Tracks: []*fmp4.InitTrack{{ID: trackID, TimeScale: Timescale, Codec: &codecs.H264{SPS: sps, PPS: pps}}}}
	if err := init.Marshal(&out); err != nil {
		return nil, fmt.Errorf("mp4: %w", err)
	}
	return out.Bytes(), nil
}

// HeadSize is the bytes of a fragment's Head, and of what follows the picture: nothing. A picture's place in a file is that much behind its fragment's.
const HeadSize = prftSize + moofSize + mdatHeader

const (
	prftSize   = 32
	mdatHeader = 8
	// Of a moof with one track and one sample: mfhd, tfhd, tfdt of version 1, trun with offset, duration, size, flags and composition time.
	moofSize = 8 + 16 + 8 + 16 + 20 + 36
)

// Fragment writes the heads of a stream's fragments. It is used by one goroutine.
type Fragment struct {
	head     [HeadSize]byte
	sequence uint32
	// Where the numbers are in head.
	mfhd, tfdt, trun int
}

// Sample describes one picture.
type Sample struct {
	Size     int           // bytes of its NAL units with their lengths, which follow the head
	Key      bool          // a decoder can start here
	Time     uint64        // when it is decoded, in ticks
	Shown    time.Duration // how much later it is shown
	Duration uint32        // until the next one, in ticks, as far as is known
	Captured time.Time     // when it was taken
}

// NewFragment makes the pattern.
func NewFragment() (*Fragment, error) {
	var out seekablebuffer.Buffer
	part := fmp4.Part{Tracks: []*fmp4.PartTrack{{ID: trackID, Samples: []*fmp4.Sample{{Duration: 1, IsNonSyncSample: true, PTSOffset: 1}}}}}
	if err := part.Marshal(&out); err != nil {
		return nil, fmt.Errorf("mp4: %w", err)
	}
	f := &Fragment{}
	pattern := out.Bytes()
	if len(pattern) != moofSize+mdatHeader {
		return nil, fmt.Errorf("mp4: a fragment's head of %d bytes, not %d", len(pattern), moofSize+mdatHeader)
	}
	// Producer reference time box (section 8.16.5): when the picture was taken, for whoever measures the delay. Its flags say that the time is that
	// of the capture (24).
	prft := f.head[:prftSize]
	binary.BigEndian.PutUint32(prft, prftSize)
	copy(prft[4:], "prft\x01\x00\x00\x18")
	binary.BigEndian.PutUint32(prft[12:], trackID)
	copy(f.head[prftSize:], pattern)
	for name, at := range map[string]*int{"mfhd": &f.mfhd, "tfdt": &f.tfdt, "trun": &f.trun} {
		if *at = find(pattern, name); *at < 0 {
			return nil, errors.New("mp4: a fragment without " + name)
		}
		*at += prftSize
	}
	return f, nil
}

// find returns where a box's content begins, -1 if there is none. It looks into the boxes that hold the others of interest.
func find(b []byte, name string) int {
	for at := 0; at+8 <= len(b); {
		size := int(binary.BigEndian.Uint32(b[at:]))
		switch kind := string(b[at+4 : at+8]); {
		case kind == name:
			return at + 8
		case kind == "moof" || kind == "traf" || kind == "moov" || kind == "mvex":
			size = 8 // look inside
		}
		if size < 8 {
			break
		}
		at += size
	}
	return -1
}

// ntpEpoch is 1970 in NTP's seconds, which begin in 1900 (RFC 5905 section 6).
const ntpEpoch = 2208988800

// sampleIsDifference and sampleStandsAlone are sample_flags (section 8.8.3.1): depends on others and is no sync sample; depends on none.
const (
	sampleIsDifference = 1<<24 | 1<<16
	sampleStandsAlone  = 2 << 24
)

// DurationAt is where in a Head the picture's duration is, as four bytes, big endian: a file's is corrected once the next picture has come.
func (f *Fragment) DurationAt() int { return f.trun + 12 }

// Head returns what comes before the picture; valid until the next call.
func (f *Fragment) Head(s *Sample) []byte {
	b, be := &f.head, binary.BigEndian
	f.sequence++
	nanoseconds := s.Captured.UnixNano()
	be.PutUint32(b[16:], uint32(nanoseconds/1e9+ntpEpoch))
	be.PutUint32(b[20:], uint32(uint64(nanoseconds%1e9)<<32/1e9))
	be.PutUint64(b[24:], s.Time)
	be.PutUint32(b[f.mfhd+4:], f.sequence)
	be.PutUint64(b[f.tfdt+4:], s.Time)
	// trun: version and flags, count, data offset, then duration, size, flags and composition time of the sample.
	be.PutUint32(b[f.DurationAt():], s.Duration)
	be.PutUint32(b[f.trun+16:], uint32(s.Size))
	flags := uint32(sampleIsDifference)
	if s.Key {
		flags = sampleStandsAlone
	}
	be.PutUint32(b[f.trun+20:], flags)
	be.PutUint32(b[f.trun+24:], uint32(Ticks(s.Shown)))
	be.PutUint32(b[HeadSize-mdatHeader:], uint32(mdatHeader+s.Size))
	return b[:]
}
