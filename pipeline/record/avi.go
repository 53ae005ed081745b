package record

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/maixstream/maixstream/internal/disk"
)

// piece is one AVI file of MJPEG: RIFF(AVI) with a header list, a movi list of 00dc chunks and, once it is finished, an idx1 index
// (Microsoft's AVI RIFF File Reference; no OpenDML, so a piece stays below 1 GiB). It can be played at any time: its sizes say "to the
// end of the file" until they are known, and only then.
type piece struct {
	file          *os.File
	name          string
	number        uint64
	width, height int
	size          int64 // of the file, up to the last whole chunk
	index         []byte
	frames        int
	elapsed       time.Duration // from the first frame to the last
	fps           float64       // a guess, until two frames have come
	largest       int
	chunk         []byte
}

const (
	moviStart   = 220 // "movi"; offsets in idx1 count from here
	headerSize  = 224
	openEnd     = 0x7ffffff0 // a size that ends behind every piece's end
	rateScale   = 1000       // frame rates are in thousandths
	idxKeyFrame = 0x10
)

func newPiece(name string, number uint64, width, height int, fps float64) (*piece, error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	p := &piece{file: file, name: name, number: number, width: width, height: height, fps: fps}
	if _, err := file.Write(p.header(openEnd, openEnd-headerSize)); err != nil {
		file.Close()
		os.Remove(name)
		return nil, err
	}
	p.size = headerSize
	return p, nil
}

// header returns the file's first headerSize bytes.
func (p *piece) header(riff, movi uint32) []byte {
	rate := uint32(max(p.rate()*rateScale, 1))
	b := make([]byte, 0, headerSize)
	text := func(s string) { b = append(b, s...) }
	u32 := func(values ...uint32) {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
	}
	text("RIFF")
	u32(riff)
	text("AVI LIST")
	u32(192)
	text("hdrlavih")
	u32(56, uint32(1e6*rateScale/float64(rate)), uint32(float64(p.largest)*p.rate()), 0, 0x10, uint32(p.frames), 0, 1, uint32(p.largest),
		uint32(p.width), uint32(p.height), 0, 0, 0, 0) // 0x10: has an index
	text("LIST")
	u32(116)
	text("strlstrh")
	u32(56)
	text("vidsMJPG")
	u32(0, 0, 0, rateScale, rate, 0, uint32(p.frames), uint32(p.largest), 0xffffffff, 0)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint16(b, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(p.width))
	b = binary.LittleEndian.AppendUint16(b, uint16(p.height))
	text("strf")
	u32(40, 40, uint32(p.width), uint32(p.height), 1|24<<16)
	text("MJPG")
	u32(uint32(p.width*p.height*3), 0, 0, 0, 0)
	text("LIST")
	u32(movi)
	text("movi")
	return b
}

// rate is frames a second, on average: an AVI has one rate for all of its frames.
func (p *piece) rate() float64 {
	if p.frames > 1 && p.elapsed > 0 {
		return float64(p.frames-1) / p.elapsed.Seconds()
	}
	return p.fps
}

// add appends a frame in one write; step is its time since the one before. After an error the file is cut back to its last whole frame.
func (p *piece) add(jpg []byte, step time.Duration) error {
	p.chunk = append(p.chunk[:0], "00dc"...)
	p.chunk = binary.LittleEndian.AppendUint32(p.chunk, uint32(len(jpg)))
	p.chunk = append(p.chunk, jpg...)
	if len(jpg)%2 != 0 {
		p.chunk = append(p.chunk, 0)
	}
	if _, err := p.file.WriteAt(p.chunk, p.size); err != nil {
		_ = p.file.Truncate(p.size)
		return err
	}
	p.index = append(p.index, "00dc"...)
	p.index = binary.LittleEndian.AppendUint32(p.index, idxKeyFrame)
	p.index = binary.LittleEndian.AppendUint32(p.index, uint32(p.size-moviStart))
	p.index = binary.LittleEndian.AppendUint32(p.index, uint32(len(jpg)))
	p.size += int64(len(p.chunk))
	if p.frames > 0 {
		p.elapsed += step
	}
	p.frames++
	p.largest = max(p.largest, len(jpg))
	return nil
}

// total is the file's size once it is finished.
func (p *piece) total() int64 { return p.size + 8 + int64(len(p.index)) }

// refresh writes the rate and the number of frames so far into the header, so that a piece that is cut off plays at its right speed.
func (p *piece) refresh() error {
	_, err := p.file.WriteAt(p.header(openEnd, openEnd-headerSize), 0)
	return err
}

// isThere says whether the file still has its name: folders are removed, and disks pulled, while a file in them is open.
func (p *piece) isThere() bool {
	named, err := os.Stat(p.name)
	open, err2 := p.file.Stat()
	return err == nil && err2 == nil && os.SameFile(named, open)
}

// finish writes the index and the sizes, and the file through to the disk. dropOldest makes room on a full disk, see disk.Write. The file is closed in
// any case.
func (p *piece) finish(dropOldest func() (bool, error)) (err error) {
	defer func() {
		if closed := p.file.Close(); err == nil {
			err = closed
		}
	}()
	if p.frames == 0 {
		return os.Remove(p.name)
	}
	end := binary.LittleEndian.AppendUint32([]byte("idx1"), uint32(len(p.index)))
	end = append(end, p.index...)
	err = disk.Write(func() error {
		if _, err := p.file.WriteAt(end, p.size); err != nil {
			_ = p.file.Truncate(p.size)
			return fmt.Errorf("index: %w", err)
		}
		return nil
	}, dropOldest)
	if err != nil {
		return err
	}
	if _, err := p.file.WriteAt(p.header(uint32(p.total()-8), uint32(p.size-moviStart)), 0); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	return p.file.Sync()
}
