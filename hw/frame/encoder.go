package frame

import "fmt"

// Encoder encodes raw frames as JPEG. It is not safe for concurrent use; make one per worker.
type Encoder interface {
	// Name identifies the encoder: "libjpeg-turbo", "hardware (VENC)", "image/jpeg".
	Name() string
	// Encode writes f to dst as a complete JPEG (JFIF, 4:2:0 unless f is Grey) and returns its size in bytes. quality is 1..100
	// on libjpeg's scale. dst of MaxJPEGSize bytes always suffices; if it is too small, the error wraps ErrTooLarge. f is not retained; its
	// padding may be overwritten if f.Padded. Output is deterministic. In the steady state Encode does not allocate.
	Encode(dst []byte, f *Frame, quality int) (int, error)
	// Close frees the encoder's memory. It may be called twice.
	Close() error
}

// MaxJPEGSize returns the largest size in bytes of a 4:2:0 or grey JPEG of width x height pixels: libjpeg-turbo's bound (tjBufSize: two
// bytes per sample of whole blocks, plus 2048 for the headers).
func MaxJPEGSize(width, height int) int {
	return (width+15)&^15*((height+15)&^15)*3 + 2048
}

// CheckQuality returns a *QualityError for a quality outside of 1..100.
func CheckQuality(quality int) error {
	if quality < 1 || quality > 100 {
		return &QualityError{quality}
	}
	return nil
}

// QualityError reports a refused JPEG quality.
type QualityError struct{ Quality int }

func (e *QualityError) Error() string {
	return fmt.Sprintf("quality %d: out of range (1 to 100)", e.Quality)
}
