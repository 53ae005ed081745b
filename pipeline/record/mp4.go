package record

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/maixstream/maixstream/internal/mp4"
	"github.com/maixstream/maixstream/pipeline/video"
)

var _ piece = (*mp4Piece)(nil)

// mp4Piece is one file of fragmented MP4, a fragment for each picture: it can be played up to its last whole fragment at any time. Once it is
// finished it ends with an index of its key frames. Its refreshed header says how long it is.
type mp4Piece struct {
	output
	parameters *video.Parameters
	header     *mp4.FileHeader
	fragment   *mp4.Fragment
	index      mp4.Index
	chunk      []byte
	// Of the newest picture: where its fragment begins, when it is shown and how long, in ticks. The last is a guess until the next picture comes.
	last     int64
	time     int64
	duration uint32
}

// newMP4 begins a file with a key frame's parameter sets.
func newMP4(o output, first *picture, frameTime time.Duration) (piece, error) {
	p := &mp4Piece{output: o, parameters: first.parameters, duration: asDuration(mp4.Ticks(frameTime))}
	var err error
	if p.header, err = mp4.NewFileHeader(first.parameters.SPS, first.parameters.PPS); err != nil {
		return p, err
	}
	if p.fragment, err = mp4.NewFragment(); err != nil {
		return p, err
	}
	return p, p.append(p.header.Bytes(0))
}

// takes reports whether the file's parameter sets are the picture's.
func (p *mp4Piece) takes(f *picture) bool { return p.parameters == f.parameters }

// need returns how much a picture adds to the file, including its index entry.
func (p *mp4Piece) need(f *picture) int64 {
	return int64(mp4.Padding(p.size)+mp4.HeadSize+len(f.bytes)) + mp4.IndexEntry
}

// add appends a fragment in one write. How long the picture before it was shown is known now, and written into its fragment.
func (p *mp4Piece) add(f *picture, step time.Duration) error {
	at, duration := int64(0), p.duration
	if p.frames > 0 {
		at = max(mp4.Ticks(p.elapsed+step), p.time+1)
		duration = asDuration(at - p.time)
	}
	sample := mp4.Sample{Size: len(f.bytes), Key: f.key, Time: uint64(at), Duration: duration, Captured: f.captured, Shown: f.shown}
	before, padding := p.size, mp4.Padding(p.size)
	p.chunk = append(append(mp4.FreeBox(p.chunk[:0], padding), p.fragment.Head(&sample)...), f.bytes...)
	if err := p.append(p.chunk); err != nil {
		return err
	}
	if duration != p.duration {
		if _, err := p.file.WriteAt(binary.BigEndian.AppendUint32(nil, duration), p.last+int64(p.fragment.DurationAt())); err != nil {
			p.size = before
			_ = p.file.Truncate(p.size)
			return fmt.Errorf("duration: %w", err)
		}
	}
	begins := before + int64(padding)
	p.last, p.time, p.duration = begins, at, duration
	if f.key {
		p.index.Add(uint64(at), begins)
	}
	p.count(step)
	return nil
}

func (p *mp4Piece) total() int64 { return p.size + p.index.Size() }

// length is the film's, as far as is known.
func (p *mp4Piece) length() time.Duration {
	return p.elapsed + time.Duration(p.duration)*time.Second/mp4.Timescale
}

func (p *mp4Piece) refresh() error { return p.overwrite(p.header.Bytes(p.length())) }

// finish writes the index and the duration.
func (p *mp4Piece) finish(dropOldest func() (bool, error)) error {
	return p.end(p.index.Bytes(), p.header.Bytes(p.length()), dropOldest)
}

// asDuration is a number of ticks as a fragment can say it.
func asDuration(ticks int64) uint32 { return uint32(min(max(ticks, 1), math.MaxUint32)) }
