// Package libjpeg is the software JPEG encoder and decoder: libjpeg-turbo, or, in a build without cgo, the standard library's image/jpeg.
//
// # Encoding
//
// An Encoder calls libjpeg-turbo's raw data interface: one cgo call a frame, one persistent compressor for each Encoder, straight into
// the caller's buffer. NV21, NV12, YUV422 and YUYV are brought to planar 4:2:0 sixteen rows at a time, so that what was converted is still
// in the first-level cache when it is encoded, and no converted frame is ever written to memory. Planar 4:2:0 is encoded where it lies,
// or from copies of sixteen rows where its rows are so long that this is faster. RGB, BGR, RGBA and grey go through the library's own
// (SIMD) colour conversion.
//
// The rows below a picture whose height is no multiple of 16 are the last row again, by pointer; the columns right of a picture whose
// width is no multiple of 8 are the last column again. So the padding of a frame is neither read nor written, and the same picture
// always gives the same bytes.
//
// The TurboJPEG interface was measured beside it (internal/bench/baseline): it needs whole-frame conversion for everything that is not planar, and copies each
// row of a picture such as 1920x1080 whose size is not a whole number of blocks.
//
// Below quality 96 the fast integer DCT is used and from 96 on the accurate one, as TurboJPEG does: the fast one's rounding errors
// grow with quality and are invisible below that.
//
// # Decoding
//
// Decode turns a whole JPEG into a frame, within limits that are checked before any pixel is decoded. It uses github.com/pixiv/go-libjpeg
// by way of package pixiv, which keeps that binding's faults contained.
package libjpeg
