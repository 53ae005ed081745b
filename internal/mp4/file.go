package mp4

import (
	"encoding/binary"
	"errors"
	"time"
)

// FileHeader is what a file begins with: Init's boxes, and how long the film is (mehd), which a player cannot tell without reading all fragments. It is used by
// one goroutine.
type FileHeader struct {
	boxes     []byte
	duration  int    // where it is in boxes
	timescale uint64 // of duration
}

// mehdSize is the size of a movie extends header box of version 1 (section 8.8.2).
const mehdSize = 20

// NewFileHeader makes the header of a stream with these parameter sets.
func NewFileHeader(sps, pps []byte) (*FileHeader, error) {
	boxes, err := Init(sps, pps)
	if err != nil {
		return nil, err
	}
	moov, mvhd, mvex := find(boxes, "moov"), find(boxes, "mvhd"), find(boxes, "mvex")
	if moov < 0 || mvhd < 0 || mvex < 0 || boxes[mvhd] != 0 {
		return nil, errors.New("mp4: a header without the boxes that are expected in it")
	}
	f := &FileHeader{duration: mvex + mehdSize - 8, timescale: uint64(binary.BigEndian.Uint32(boxes[mvhd+12:]))}
	mehd := make([]byte, mehdSize)
	binary.BigEndian.PutUint32(mehd, mehdSize)
	copy(mehd[4:], "mehd\x01")
	f.boxes = append(append(append(f.boxes, boxes[:mvex]...), mehd...), boxes[mvex:]...)
	for _, box := range []int{moov, mvex} {
		size := f.boxes[box-8:]
		binary.BigEndian.PutUint32(size, binary.BigEndian.Uint32(size)+mehdSize)
	}
	return f, nil
}

// Size is the bytes of the header.
func (f *FileHeader) Size() int64 { return int64(len(f.boxes)) }

// Bytes returns the header with the film's duration so far; valid until the next call.
func (f *FileHeader) Bytes(duration time.Duration) []byte {
	binary.BigEndian.PutUint64(f.boxes[f.duration:], uint64(max(duration, 0).Microseconds())*f.timescale/1e6)
	return f.boxes
}

// block is the unit in which disks and file systems write, the smallest there is: where a file is cut off by a power cut, it is at the end of one, or where a
// write ended.
const block = 512

// Padding returns how many bytes of FreeBox belong before a Head at an offset in a file, so that no block ends in it. ffmpeg reads all heads before it
// plays anything, and refuses a file that ends in one.
func Padding(offset int64) int {
	if to := int(offset % block); to+HeadSize > block {
		return max(block-to, freeHead)
	}
	return 0
}

const freeHead = 8

// FreeBox appends a box of so many bytes that readers pass over: those of Padding, or none.
func FreeBox(to []byte, size int) []byte {
	if size == 0 {
		return to
	}
	to = append(binary.BigEndian.AppendUint32(to, uint32(size)), "free"...)
	return append(to, make([]byte, size-freeHead)...)
}

// Index says where in a file its key frames are: what players seek by (mfra, section 8.8.9). It is used by one goroutine.
type Index struct{ entries []byte }

const (
	// IndexEntry is what a key frame adds to an Index's Size.
	IndexEntry = 8 + 8 + 3
	indexSize  = 8 + 24 + 16 // mfra's head, tfra without entries, mfro
)

// Add notes a key frame: when it is shown, in ticks, and where in the file what Head returned for it begins.
func (x *Index) Add(at uint64, offset int64) {
	x.entries = binary.BigEndian.AppendUint64(x.entries, at)
	x.entries = binary.BigEndian.AppendUint64(x.entries, uint64(offset)+prftSize) // of the moof
	x.entries = append(x.entries, 1, 1, 1)                                        // the only traf, trun and sample of it
}

// Size is the bytes of the index.
func (x *Index) Size() int64 { return indexSize + int64(len(x.entries)) }

// Bytes returns the boxes that a finished file ends with.
func (x *Index) Bytes() []byte {
	be, size := binary.BigEndian, uint32(x.Size())
	b := make([]byte, 0, size)
	b = append(be.AppendUint32(b, size), "mfra"...)
	b = append(be.AppendUint32(b, size-8-16), "tfra\x01\x00\x00\x00"...)
	b = be.AppendUint32(b, trackID)
	b = be.AppendUint32(b, 0) // the three numbers of an entry have a byte each
	b = be.AppendUint32(b, uint32(len(x.entries)/IndexEntry))
	b = append(b, x.entries...)
	b = append(be.AppendUint32(b, 16), "mfro\x00\x00\x00\x00"...)
	return be.AppendUint32(b, size)
}

// IsFinished says whether a file's last TailSize bytes are the end of an Index.
func IsFinished(tail []byte) bool { return len(tail) == TailSize && string(tail[4:8]) == "mfro" }

// TailSize is what IsFinished needs.
const TailSize = 16
