package frame

// Format is the layout of a raw frame's pixels. All formats have 8 bits a sample.
//
// Planar and semi-planar YCbCr is full range (JFIF, BT.601) everywhere in this module: sources that deliver
// limited range convert when they open.
type Format uint8

const (
	// Unknown is the zero Format; no frame has it.
	Unknown Format = iota
	// YUV420 is planar YCbCr 4:2:0: planes Y, Cb, Cr; chroma planes are (w+1)/2 x (h+1)/2. The encoders' favourite.
	YUV420
	// NV21 is semi-planar 4:2:0 as the SG2002 makes it: plane Y, then plane of Cr,Cb pairs, (w+1)/2 pairs x (h+1)/2 rows.
	NV21
	// NV12 is NV21 with the pairs the other way round: Cb,Cr.
	NV12
	// YUV422 is planar YCbCr 4:2:2: planes Y, Cb, Cr; chroma planes are (w+1)/2 x h.
	YUV422
	// YUYV is packed 4:2:2, one plane of Y0,Cb,Y1,Cr for each two pixels; what most webcams deliver.
	YUYV
	// Grey is one plane of luma.
	Grey
	// RGB is one plane of R,G,B.
	RGB
	// BGR is one plane of B,G,R, as OpenCV has it.
	BGR
	// RGBA is one plane of R,G,B,A, alpha not premultiplied; encoders ignore alpha.
	RGBA
)

var formatNames = [...]string{"unknown", "yuv420", "nv21", "nv12", "yuv422", "yuyv", "grey", "rgb", "bgr", "rgba"}

// String returns the format's name in lower case, as flags and logs spell it.
func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return formatNames[Unknown]
}

// Planes returns how many planes a frame of this format has: 1, 2 or 3; 0 for Unknown.
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

// PlaneSize returns the bytes in a row (without padding) and the rows of plane i of a width x height picture.
// It returns 0, 0 for a plane that the format does not have.
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
