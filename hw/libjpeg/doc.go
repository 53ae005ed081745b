// Package libjpeg is the software JPEG encoder and decoder: libjpeg-turbo, or, in a build without cgo, the standard library's image/jpeg.
//
// # Encoding
//
// An Encoder calls libjpeg-turbo's raw data interface: one cgo call per frame, one persistent compressor per Encoder, straight into
// the caller's buffer. NV21, NV12, YUV422 and YUYV are converted to planar 4:2:0 sixteen rows at a time, so that the converted rows are still
// in the first-level cache when they are encoded, and no converted frame is written to memory. Planar 4:2:0 is encoded in place,
// or from copies of sixteen rows if its rows are so long that this is faster. RGB, BGR, RGBA and grey go through the library's own
// (SIMD) colour conversion.
//
// If a picture's height is not a multiple of 16, its last row is repeated, by pointer; if its
// width is not a multiple of 8, its last column is. So a frame's padding is neither read nor written, and the same picture
// always gives the same bytes.
//
// The TurboJPEG interface was measured for comparison (internal/bench/baseline): it converts whole frames for everything that is not planar, and copies each
// row of pictures whose size is not a whole number of blocks, such as 1920x1080.
//
// The fast integer DCT is used below quality 96 and the accurate one from 96 on, as in TurboJPEG: the fast one's rounding errors
// grow with quality and are invisible below that.
//
// # Decoding
//
// Decode decodes a complete JPEG to an image, within limits that are checked before any pixel is decoded. It uses github.com/pixiv/go-libjpeg
// through package pixiv, which contains that binding's faults.
package libjpeg
