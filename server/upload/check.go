package upload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image/png"

	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/internal/jpegcheck"
	"github.com/maixstream/maixstream/internal/sniff"
)

// info describes a checked picture.
type info struct {
	format        format
	width, height int
	size          int            // bytes, without trailing data
	jpeg          jpegcheck.Info // JPEG only
}

const pngSignature = "\x89PNG\r\n\x1a\n"

// shown returns the picture as viewers get it: a JPEG without its end marker or with stray bytes is repaired.
func (i *info) shown(data []byte) []byte {
	if i.format == jpegFormat {
		return jpegcheck.Completed(data, &i.jpeg)
	}
	return data[:i.size]
}

// formatOf detects the format from the first bytes: 2 are enough for JPEG, after which stray bytes may follow, 8 for PNG.
func formatOf(head []byte) (f format, ok bool) {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8")):
		return jpegFormat, true
	case bytes.HasPrefix(head, []byte(pngSignature)):
		return pngFormat, true
	}
	return 0, false
}

// noPicture returns the error for a body that starts with head, which is neither JPEG nor PNG. It wraps errNoPicture, and names the format if known.
func noPicture(head []byte) error {
	if name := sniff.Name(head[:min(len(head), sniff.Enough)]); name != "" {
		return fmt.Errorf("this is %s: %w", name, errNoPicture)
	}
	return errNoPicture
}

// inspect checks, without decoding, that data starts with a complete JPEG or PNG of at most maxPixels. Errors wrap frame.ErrBadPicture or
// frame.ErrTooLarge.
func inspect(data []byte, maxPixels int) (info, error) {
	f, ok := formatOf(data)
	if !ok {
		return info{}, noPicture(data)
	}
	found := info{format: f}
	if f == jpegFormat {
		j, err := jpegcheck.Parse(data)
		if err != nil {
			return info{}, err
		}
		found.width, found.height, found.size, found.jpeg = j.Width, j.Height, j.Size, j
	} else {
		size, err := pngSize(data)
		if err != nil {
			return info{}, fmt.Errorf("png: %w: %w", err, frame.ErrBadPicture)
		}
		c, err := png.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return info{}, fmt.Errorf("%w: %w", err, frame.ErrBadPicture)
		}
		found.width, found.height, found.size = c.Width, c.Height, size
	}
	if pixels := found.width * found.height; pixels > maxPixels {
		return info{}, fmt.Errorf("%dx%d: %d pixels, at most %d: %w", found.width, found.height, pixels, maxPixels, frame.ErrTooLarge)
	}
	return found, nil
}

// pngSize walks the chunks of a PNG to its end, verifies their checksums and returns its length. Nothing is decompressed.
func pngSize(data []byte) (int, error) {
	pos, pictures := len(pngSignature), 0
	for {
		if len(data)-pos < 12 {
			return 0, fmt.Errorf("cut off after %d bytes", len(data))
		}
		n := binary.BigEndian.Uint32(data[pos:])
		if uint64(n) > uint64(len(data)-pos-12) {
			return 0, fmt.Errorf("cut off in a chunk of %d bytes at byte %d", n, pos)
		}
		end := pos + 8 + int(n)
		kind := string(data[pos+4 : pos+8])
		if sum := binary.BigEndian.Uint32(data[end:]); sum != crc32.ChecksumIEEE(data[pos+4:end]) {
			return 0, fmt.Errorf("chunk %q at byte %d is damaged", kind, pos)
		}
		pos = end + 4
		switch kind {
		case "IDAT":
			pictures++
		case "IEND":
			if pictures == 0 {
				return 0, fmt.Errorf("ends without a picture")
			}
			return pos, nil
		}
	}
}
