// Package ring hands encoded frames from one producer to many readers without a lock and without a copy.
//
// A ring is a fixed set of slots. The producer reserves a free slot, has the JPEG written into it, and publishes it: from then on it is
// the newest frame. A reader takes a reference to the newest frame, reads its bytes where they lie, and releases it. A frame that somebody
// holds is never overwritten; a producer that finds no free slot drops its frame and never waits; a reader always gets the newest
// frame that it has not had and is told how many it skipped.
//
// # Memory
//
// The ring reserves Slots x (Envelope.HeadSize + SlotSize + len(Envelope.Tail)), each rounded up to a page, once. On Linux only the
// pages that a frame ever reached are backed by memory, so the ring's real size is at most Slots x the largest frame so far. Nothing else is
// allocated after New, but for the list of readers when one comes or goes.
//
// # Why it is correct
//
// Go's sync/atomic operations are sequentially consistent and synchronise (an operation that sees the effect of another happens after
// it), so the argument speaks of one order of all of them.
//
// Each slot has one word of state (handoff.Slot): a generation (40 bits), a writing bit and a count of references (23 bits). The ring has one word,
// latest: the generation and the index of the newest frame. Call a slot free when its writing bit is clear and its count is 0.
//
//	Reserve   for a slot that is not the newest: CAS (g, clear, 0) -> (g+1, set, 0)
//	Publish   store (g, clear, 0) into the slot, then store (g, index) into latest
//	Discard   store (g, clear, 0) into the slot
//	acquire   load latest = (g, index), then CAS that slot (g, clear, n) -> (g, clear, n+1)
//	Share     add 1 to the word of a slot that the caller holds, whose count is therefore above 0
//	Release   add -1 to the slot's word
//
// The bytes and the Meta of a slot are written only between its Reserve and its Publish or Discard, while its writing bit is set. They are
// read only between a successful acquire and its Release. Two facts follow from the transitions above.
//
// No torn frame. While the writing bit is set nobody's acquire succeeds, so the count stays 0, and the plain stores of Publish and
// Discard cannot lose a reader's reference. While the count is above 0 no Reserve succeeds, as its CAS expects a count of 0. So a slot is never
// read and written at once. A reader's acquire sees the word that Publish stored (or one that other readers made from it), which makes
// the producer's writes of bytes and Meta happen before the reader's reads; and a Reserve that reuses the slot sees the word that the last
// Release stored, which makes those reads happen before the new writes.
//
// No old frame in a new one's name (ABA). Between a reader's load of latest and its CAS the slot may be reused any number of times. Each
// reuse raises the generation, and the CAS expects the generation that latest named together with a clear writing bit: it succeeds only on the
// very frame that latest named. A slot that was reserved and discarded has a generation that latest never names. The generation repeats
// after 2^40 reservations of one slot: at 240 frames a second, all in one slot, 145 years; for a mistake a reader would have to sleep
// between two instructions for exactly that long.
//
// Progress. The producer makes no loop that depends on readers: Reserve tries each slot once, and its CAS fails only against a reader's
// acquire of a frame that is no longer the newest (that slot is then held, and is skipped). Publish and Discard are stores. An acquire
// goes round again only if the slot that latest named was reused, so that a newer frame was published since, or if another reader changed the
// count in between, so that that reader went on: the ring as a whole is lock-free, its producer wait-free. A sequence that rises strictly
// for each reader follows from latest being stored by one goroutine in the order of the sequence, and from TryNext giving back what is not newer.
//
// Enough slots. A reader holds one frame at a time (a writer to a slow socket may keep one for as long as its deadline). With the newest,
// and the producer's reservations, Slots must exceed the number of different frames held at once; readers of the same frame share it.
// Fewer cost dropped frames, never a wrong one.
//
// Closing. Close sets closed and then scans: each slot that is free is taken by a CAS that sets its writing bit, which no later acquire
// or Reserve passes. A slot that is held or being written is taken later, by whoever releases, publishes or discards it: those change the slot's
// word first and look at closed after, while Close sets closed first and looks at the word after, so at least one of the two sees
// the other. The memory is given back when all are taken: nobody holds a frame then, and nobody can come to hold one.
package ring
