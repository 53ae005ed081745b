//go:build linux && cgo

package openh264

// #include "encode.h"
// #include "decode.h"
import "C"

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/internal/pool"
)

// Decoder is a frame.VideoDecoder that uses OpenH264. Its memory, some ten times that of a frame, is owned by C until Close; its frames are owned by Go.
type Decoder struct {
	c       *C.mx_h264_decoder // nil before the first unit, and after one that could not be decoded
	picture C.struct_mx_h264_picture
	colour  C.struct_mx_h264_colour
	detail  C.int
	input   []byte
	waiting []frame.Frame // decoded frames not returned yet
	frames  *pool.Pool    // of frames of size
	size    frame.Size
	closed  bool
	began   bool // a key frame was decoded, and all units since

	sps     []byte // determines refused, reorder and colour
	refused error  // why the stream cannot be decoded
	reorder bool   // the display order may differ from the coding order

	stamps [64]stamp // of the last units decoded
	count  uint64
}

type stamp struct {
	captured time.Time
	sequence uint64
}

var _ frame.VideoDecoder = (*Decoder)(nil)

// NewDecoder returns a Decoder. The error wraps ErrMissing if the library is not installed.
func NewDecoder() (*Decoder, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	return &Decoder{}, nil
}

// Name returns "OpenH264".
func (d *Decoder) Name() string { return "OpenH264" }

// Decode decodes a unit; see frame.VideoDecoder. Errors wrap frame.ErrUnsupported for streams that OpenH264 cannot decode (more than 8 bits per sample,
// chroma other than 4:2:0, interlaced), and frame.ErrBadPicture for damaged units.
func (d *Decoder) Decode(u *frame.AccessUnit, f *frame.Frame) (ok bool, err error) {
	if d.closed {
		return false, errClosedDecoder
	}
	if len(u.NALs) == 0 {
		return d.rest(f)
	}
	for _, n := range u.NALs {
		if len(n) > 0 && h264.NALUType(n[0]&0x1f) == h264.NALUTypeSPS {
			d.note(n)
		}
	}
	switch {
	case d.refused != nil:
		return false, d.refused
	case !d.began && !u.Key:
		return false, fmt.Errorf("openh264: decode: %w: no key frame before it", frame.ErrBadPicture)
	}
	d.input = d.input[:0]
	for _, n := range u.NALs {
		d.input = append(append(d.input, 0, 0, 0, 1), n...)
	}
	// The library overwrites pictures that it still holds back with a key frame, and leaks buffers if it is flushed first: use a new decoder.
	if u.Key && d.began && d.reorder {
		for first := true; first || d.picture.ready != 0; first = false {
			if err := d.decode(nil); err != nil {
				return false, err
			}
			if err := d.queue(); err != nil {
				return false, err
			}
		}
		d.free()
	}
	if d.c == nil {
		if code := C.mx_h264_decoder_new(&d.c, &d.detail); code != 0 {
			return false, fmt.Errorf("openh264: create a decoder: %w", failure(code, d.detail))
		}
	}
	d.began = true
	d.count++
	d.stamps[d.count%uint64(len(d.stamps))] = stamp{u.Captured, u.Sequence}
	if err := d.decode(d.input); err != nil {
		return false, err
	}
	if d.picture.ready == 0 && !d.reorder { // flush: it waits for nothing that can follow
		if err := d.decode(nil); err != nil {
			return false, err
		}
	}
	if len(d.waiting) == 0 {
		return d.picture.ready != 0, d.give(f)
	}
	if err := d.queue(); err != nil {
		return false, err
	}
	d.dequeue(f)
	return true, nil
}

// dequeue stores the first waiting picture in f.
func (d *Decoder) dequeue(f *frame.Frame) {
	*f = d.waiting[0]
	d.waiting = append(d.waiting[:0], d.waiting[1:]...)
}

// rest returns the next picture that is held back, at the end of the stream.
func (d *Decoder) rest(f *frame.Frame) (ok bool, err error) {
	if len(d.waiting) > 0 {
		d.dequeue(f)
		return true, nil
	}
	if d.c == nil {
		return false, nil
	}
	if err := d.decode(nil); err != nil {
		return false, err
	}
	return d.picture.ready != 0, d.give(f)
}

// queue appends the decoded picture, if there is one, to d.waiting.
func (d *Decoder) queue() error {
	if d.picture.ready == 0 {
		return nil
	}
	var f frame.Frame
	if err := d.give(&f); err != nil {
		return err
	}
	d.waiting = append(d.waiting, f)
	return nil
}

func (d *Decoder) decode(input []byte) error {
	if C.mx_h264_decode(d.c, (*C.uint8_t)(unsafe.SliceData(input)), C.int(len(input)), C.ulonglong(d.count), &d.picture, &d.detail) == 0 {
		return nil
	}
	d.free() // its reference pictures may be damaged, too
	d.drop()
	return fmt.Errorf("openh264: decode: %w (state %#x)", frame.ErrBadPicture, d.detail)
}

// note parses a sequence parameter set, if it is new.
func (d *Decoder) note(sps []byte) {
	if string(sps) == string(d.sps) {
		return
	}
	d.sps, d.refused = append(d.sps[:0], sps...), nil
	var s h264.SPS
	if err := s.Unmarshal(d.sps); err != nil {
		d.refused = fmt.Errorf("openh264: sequence parameter set: %w: %w", err, frame.ErrBadPicture)
		return
	}
	// Profiles without the field have 4:2:0.
	chroma := uint32(1)
	switch s.ProfileIdc {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		chroma = s.ChromaFormatIdc
	}
	unsupported := ""
	switch {
	case s.BitDepthLumaMinus8 > 0 || s.BitDepthChromaMinus8 > 0:
		unsupported = fmt.Sprintf("%d bits per sample", 8+max(s.BitDepthLumaMinus8, s.BitDepthChromaMinus8))
	case chroma != 1:
		unsupported = "chroma " + [...]string{"4:0:0", "4:2:0", "4:2:2", "4:4:4"}[min(chroma, 3)]
	case !s.FrameMbsOnlyFlag:
		unsupported = "interlaced pictures"
	case s.Width() > frame.MaxDimension || s.Height() > frame.MaxDimension || s.Width()*s.Height() > MaxPixels:
		unsupported = fmt.Sprintf("%dx%d pixels", s.Width(), s.Height())
	}
	if unsupported != "" {
		d.refused = fmt.Errorf("openh264: H.264 with %s: %w", unsupported, frame.ErrUnsupported)
		return
	}
	d.colour = C.struct_mx_h264_colour{limited: 1}
	d.reorder = s.ProfileIdc != 66 && s.PicOrderCntType != 2
	if v := s.VUI; v != nil {
		if v.VideoSignalTypePresentFlag && v.VideoFullRangeFlag {
			d.colour.limited = 0
		}
		if v.ColourDescriptionPresentFlag && v.MatrixCoefficients == 1 {
			d.colour.bt709 = 1
		}
		if r := v.BitstreamRestriction; r != nil && r.MaxNumReorderFrames == 0 {
			d.reorder = false
		}
	}
}

// give copies the decoded picture, if there is one, into f.
func (d *Decoder) give(f *frame.Frame) error {
	if d.picture.ready == 0 {
		return nil
	}
	if size := (frame.Size{Width: int(d.picture.width), Height: int(d.picture.height)}); size != d.size {
		frames, err := pool.New(frame.YUV420, size.Width, size.Height)
		if err != nil {
			return fmt.Errorf("openh264: decode: %w", err)
		}
		d.frames, d.size = frames, size
	}
	if err := d.frames.Get(f); err != nil {
		return fmt.Errorf("openh264: decode: %w", err)
	}
	C.mx_h264_copy(&d.picture, &d.colour, (*C.uint8_t)(unsafe.SliceData(f.Planes[0])), C.int(f.Strides[0]),
		(*C.uint8_t)(unsafe.SliceData(f.Planes[1])), (*C.uint8_t)(unsafe.SliceData(f.Planes[2])), C.int(f.Strides[1]))
	of := d.stamps[uint64(d.picture.stamp)%uint64(len(d.stamps))]
	f.Captured, f.Sequence = of.captured, of.sequence
	return nil
}

func (d *Decoder) free() {
	C.mx_h264_decoder_free(d.c)
	d.c, d.began = nil, false
}

func (d *Decoder) drop() {
	for i := range d.waiting {
		d.waiting[i].Release()
	}
	d.waiting = d.waiting[:0]
}

// Close frees the decoder. Its frames stay valid until they are released. It may be called twice.
func (d *Decoder) Close() error {
	d.closed = true
	d.free()
	d.drop()
	return nil
}

var errClosedDecoder = errors.New("openh264: decode: the decoder is closed")
