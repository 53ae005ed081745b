// Package handoff is what the ring of frames and the log of access units have in common: the word of state by which a producer and readers share a
// piece of memory without a lock, and the list of readers that the producer wakes. The argument for the whole stands in the documentation of packages
// ring and video.
package handoff

import "sync/atomic"

// Slot guards a piece of memory: it belongs to nobody, to the one producer, or to readers. Its state is one word, so that "still the content that I
// saw" and "one reader more" are one atomic step:
//
//	generation (40 bits) | writing (1 bit) | references (23 bits)
//
// The zero Slot is free and in generation 0, which is never published.
type Slot struct{ word atomic.Uint64 }

// SlotLimit is how many slots a Ref can tell apart.
const SlotLimit = indexMask

const (
	refsMask  = 1<<23 - 1
	writing   = 1 << 23
	genShift  = 24
	genMask   = 1<<(64-genShift) - 1
	indexBits = 16
	indexMask = 1<<indexBits - 1
)

// Ref identifies what was published in a slot, so that it is not confused with later content. The zero Ref identifies nothing.
//
//	generation (40 bits) | index+1 of the slot (16 bits)
type Ref uint64

// Index returns the slot's index as given to Publish; -1 of the zero Ref.
func (r Ref) Index() int { return int(r&indexMask) - 1 }

// Free reports whether nobody reads or writes the slot.
func (s *Slot) Free() bool { return s.word.Load()&(writing|refsMask) == 0 }

// References returns how many readers' references there are at this moment.
func (s *Slot) References() int { return int(s.word.Load() & refsMask) }

// Claim takes a free slot for writing and returns false if it is not free. Its previous content can no longer be acquired. Only the producer calls it.
func (s *Slot) Claim() bool {
	old := s.word.Load()
	return old&(writing|refsMask) == 0 && s.word.CompareAndSwap(old, (old>>genShift+1)&genMask<<genShift|writing)
}

// Publish ends writing and returns the reference to the new content of this slot, which has the given index. Only the producer calls it, after Claim.
func (s *Slot) Publish(index int) Ref {
	state := s.word.Load() &^ writing
	s.word.Store(state)
	return Ref(state>>genShift<<indexBits | uint64(index+1))
}

// Discard ends writing without publishing. Only the producer calls it, after Claim.
func (s *Slot) Discard() { s.word.Store(s.word.Load() &^ writing) }

// Seal takes a free slot out of use for good and returns false if it is not free.
func (s *Slot) Seal() bool {
	old := s.word.Load()
	return old&(writing|refsMask) == 0 && s.word.CompareAndSwap(old, old|writing)
}

// Acquire takes a reference to ref's content and returns false if the slot has been claimed since. Release returns it.
func (s *Slot) Acquire(ref Ref) bool {
	for {
		old := s.word.Load()
		if old>>genShift != uint64(ref>>indexBits) || old&writing != 0 {
			return false
		}
		if s.word.CompareAndSwap(old, old+1) {
			return true
		}
	}
}

// Share takes another reference. The caller must hold one.
func (s *Slot) Share() { s.word.Add(1) }

// Release returns a reference.
func (s *Slot) Release() { s.word.Add(^uint64(0)) }
