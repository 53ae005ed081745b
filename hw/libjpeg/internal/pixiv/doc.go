// Package pixiv confines github.com/pixiv/go-libjpeg, pinned at v0.0.0-20190822045933-3da21a74767d, to the uses in which it is sound.
// Its faults at that commit, and what contains them here:
//
//   - Encode never returns if its io.Writer fails: it writes to memory that accepts everything, and overflow is detected afterwards.
//   - Encode reads past the planes if the height is not a multiple of 16, so that its output depends on stray bytes: planes are copied,
//     padded to whole MCU rows and columns with the edge repeated.
//   - It crashes on corrupt input, alone (issue 51: arithmetic coding) or in parallel (issue 58: bytes between markers): jpegcheck checks all markers
//     first, refuses whatever is not a complete ordinary JPEG, and repairs a missing end marker or stray bytes; and one call runs at a
//     time.
//   - It leaves libjpeg's warnings about damaged pictures on standard error: on Linux they are discarded (quiet_linux.c).
//   - Decode loops forever if a reader fails midway: it reads from memory.
//   - 34 to 90 allocations and 40 to 336 KB of garbage per call: it is not used per frame; package libjpeg's Encoder is.
//
// So it decodes photographs (through libjpeg.Decode). Its encoder must pass the conformance suite of all encoders.
package pixiv
