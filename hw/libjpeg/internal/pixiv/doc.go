// Package pixiv keeps github.com/pixiv/go-libjpeg, pinned at v0.0.0-20190822045933-3da21a74767d, within the uses in which it is sound.
// What is wrong with it at that commit, and what contains it here:
//
//   - Encode never returns when its io.Writer fails: it writes into memory that takes everything, and what did not fit is seen afterwards.
//   - Encode reads past the planes when the height is no multiple of 16, so that its output depends on stray bytes: planes are copied,
//     padded to whole MCU rows and columns with the edge repeated.
//   - Crashes on corrupt input, alone (issue 51: arithmetic coding) or in parallel (issue 58: bytes between markers): jpegcheck walks all markers
//     first, refuses what is not a whole, ordinary JPEG, and completes what lacks its end or has bytes that belong to no segment; and one call runs at a
//     time.
//   - Decode loops for ever when a reader fails in the middle: it reads from memory.
//   - 34 to 90 allocations and 40 to 336 KB of garbage a call: it is not on the path of each frame; package libjpeg's Encoder is.
//
// So it decodes photographs (through libjpeg.Decode). Its encoder is held to the conformance suite of all encoders.
package pixiv
