package frame

import "fmt"

// Encoder turns raw frames into JPEG. One goroutine uses an Encoder at a time; make one for each worker.
type Encoder interface {
	// Name says who encodes: "libjpeg-turbo", "hardware (VENC)", "image/jpeg".
	Name() string
	// Encode writes f as a complete JPEG (JFIF, 4:2:0 unless f is Grey) into dst and returns its size in bytes. quality is 1..100
	// as libjpeg counts it. dst of MaxJPEGSize bytes always suffices; if it is too small, the error wraps ErrTooLarge. f is not kept; its
	// padding may be written where f.Padded. Bytes are the same for the same picture and quality. Steady state: no garbage.
	Encode(dst []byte, f *Frame, quality int) (int, error)
	// Close frees the encoder's memory. It may be called twice.
	Close() error
}

// MaxJPEGSize returns the most bytes that a 4:2:0 or grey JPEG of width x height pixels can have: libjpeg-turbo's bound (tjBufSize: two
// bytes a sample of whole blocks, and 2048 for the headers).
func MaxJPEGSize(width, height int) int {
	return (width+15)&^15*((height+15)&^15)*3 + 2048
}

// CheckQuality reports a quality outside of 1..100.
func CheckQuality(quality int) error {
	if quality < 1 || quality > 100 {
		return &QualityError{quality}
	}
	return nil
}

// QualityError is a refused JPEG quality.
type QualityError struct{ Quality int }

func (e *QualityError) Error() string {
	return fmt.Sprintf("quality %d: out of range (1 to 100)", e.Quality)
}
