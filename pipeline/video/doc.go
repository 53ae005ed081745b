// Package video hands the access units of an H.264 stream from one producer to many readers without a lock and without a copy for each.
//
// H.264 is no sequence of independent pictures: between two key frames each picture needs all those before it. So a reader does not get the
// newest unit, as a reader of package ring does, but contiguous runs: each begins with a key frame, and within it no unit is missing. A reader that is
// further behind than a bound (300 ms unless told otherwise) is moved: it gets the newest key frame if that lies within the bound, else one is
// requested from the encoder, at most every half second for all readers together, and the reader gets nothing until it comes.
//
// # Memory
//
// A log has Config.Bytes for coded pictures and 1024 entries of about 200 bytes. Units lie one behind the other in the memory, which is used in a
// circle: the newest overwrites the oldest. A unit that a reader holds is left where it is, and the producer goes around it. Nothing is allocated
// after New, but for the list of readers when one comes or goes, and for parameter sets when they change. Bytes bounds the memory; the lag bounds
// the time: no reader is given a unit that lies further behind the newest.
//
// # Why it is correct
//
// Go's sync/atomic operations are sequentially consistent and synchronise, so the argument speaks of one order of all of them. One
// goroutine at a time is the producer; its calls of Append, Break and KeyWanted follow each other.
//
// Each entry has one word of state (handoff.Slot): a generation (40 bits), a writing bit and a count of references (23 bits). A unit's bytes and Meta belong to
// one entry. The log has a table of words, order: for sequence s, order[s mod 1024] is the generation and the index of the entry that got the newest unit
// with this remainder. last and lastKey are sequences.
//
//	claim     of an entry by the producer: CAS (g, clear, 0) -> (g+1, set, 0)
//	publish   store (g, clear, 0) into the entry, then (g, index) into order, then, of a key frame, s into lastKey, then s into last
//	acquire   load order[s], then CAS that entry (g, clear, n) -> (g, clear, n+1); if its Meta is of another sequence, release
//	Share     add 1 to the word of an entry that the caller holds, whose count is therefore above 0
//	Release   add -1 to the entry's word
//
// No torn unit. The producer keeps a list, used, of the entries that own a part of the memory; their parts don't overlap, and every entry not in it has
// its writing bit set. A unit's place is chosen such that each used entry that overlaps it has been claimed, and so has left the list. A claim succeeds only on a
// count of 0, and while the writing bit is set no acquire succeeds. So no byte is written while a reader holds an entry that owns it, and an
// entry that was claimed is not acquired before its next publish. A reader's acquire sees the word that publish stored (or one
// that other readers made of it), which makes the producer's writes happen before the reader's reads; a claim sees the word that the last
// Release stored, which makes those reads happen before the next writes.
//
// No other unit in this one's name (ABA). Between a reader's load of order[s] and its CAS the entry may be claimed any number of times. Each raises the
// generation, and the CAS expects the one that order named. It repeats after 2^40 units in one entry: at 240 a second 145 years. order[s mod 1024] may name a
// later unit with the same remainder; the Meta of the held entry tells.
//
// Contiguous runs. Within a run a reader takes only the sequence after its last one, and sequences rise by one with each published unit; so what is
// missing to it is missing in the log. A unit that the log could not take (too large, or no room beside what readers hold), or that the source has lost (Break), leads to
// a refusal of all units up to the next key frame: sequences go on with that, so the run simply continues with a key frame. Break clears lastKey, so that nobody
// begins with a key frame of before. A unit that is gone, or
// too old, ends the run; what follows is a key frame, as only lastKey is tried then. Skipped is the difference of the sequences, so the units that a
// reader had and those that it skipped add up to the sequence of its last one.
//
// Nobody is forgotten. A reader that waits requests a key frame each time that it finds none. A request can be lost only to a key frame that is
// published at the same time: publish stores last and lastKey, then clears the request, then wakes all readers, and so a reader whose
// request was cleared looks again, and finds that key frame or requests another. A wake-up is one value in a channel of one:
// what is published after the reader took it puts in another.
//
// Progress. The producer makes no loop that depends on readers: it tries each used entry at most once for each turn through the memory, of which there are two. A CAS of
// its own fails only against a reader's acquire, and that entry is then held. An acquire goes round again only if another reader changed the
// count in between. So the producer is wait-free, and the log as a whole lock-free; a reader that sleeps, also between two instructions, costs the others at
// most the memory of the units that it holds.
//
// Closing. Close sets a flag and wakes the readers. The memory is the garbage collector's, which takes it when log, readers and held units are gone.
package video
