package frame

// Format is the layout of a raw frame's pixels. All formats have 8 bits per sample.
//
// YCbCr is full range (JFIF, BT.601) everywhere in this module: sources that deliver
// limited range convert.
type Format uint8

const (
	// Unknown is the zero Format; no frame has it.
	Unknown Format = iota
	// YUV420 is planar YCbCr 4:2:0: planes Y, Cb, Cr; chroma planes are (w+1)/2 x (h+1)/2. It is the cheapest to encode.
	YUV420
	// NV21 is semi-planar 4:2:0, native to the SG2002: a Y plane, then a plane of Cr,Cb pairs, (w+1)/2 pairs x (h+1)/2 rows.
	NV21
	// NV12 is NV21 with the pairs swapped: Cb,Cr.
	NV12
	// YUV422 is planar YCbCr 4:2:2: planes Y, Cb, Cr; chroma planes are (w+1)/2 x h.
	YUV422
	// YUYV is packed 4:2:2: one plane of Y0,Cb,Y1,Cr per two pixels. Most webcams deliver it.
	YUYV
	// Grey is one plane of luma.
	Grey
	// RGB is one plane of R,G,B.
	RGB
	// BGR is one plane of B,G,R, as in OpenCV.
	BGR
	// RGBA is one plane of R,G,B,A, alpha not premultiplied; encoders ignore alpha.
	RGBA
)

var formatNames = [...]string{"unknown", "yuv420", "nv21", "nv12", "yuv422", "yuyv", "grey", "rgb", "bgr", "rgba"}

// String returns the format's name in lower case, as in flags and logs.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return formatNames[Unknown]
}

// Planes returns the number of planes of a frame in this format: 1, 2 or 3; 0 for Unknown.
func (f Format) Planes() int {
	switch f {
	case YUV420, YUV422:
		return 3
	case NV21, NV12:
		return 2
	case YUYV, Grey, RGB, BGR, RGBA:
		return 1
	}
	return 0
}

// PlaneSize returns the bytes per row (without padding) and the number of rows of plane i of a width x height picture,
// or 0, 0 if the format has no such plane.
func (f Format) PlaneSize(i, width, height int) (rowBytes, rows int) {
	if i < 0 || i >= f.Planes() {
		return 0, 0
	}
	halfW, halfH := (width+1)/2, (height+1)/2
	switch f {
	case YUV420:
		if i > 0 {
			return halfW, halfH
		}
		return width, height
	case YUV422:
		if i > 0 {
			return halfW, height
		}
		return width, height
	case NV21, NV12:
		if i > 0 {
			return 2 * halfW, halfH
		}
		return width, height
	case YUYV:
		return 4 * halfW, height
	case RGB, BGR:
		return 3 * width, height
	case RGBA:
		return 4 * width, height
	}
	return width, height // Grey
}
