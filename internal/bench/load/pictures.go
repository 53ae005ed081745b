//go:build linux

package load

import (
	"encoding/binary"
	"fmt"
	"os"
)

// WritePictures writes pictures to a file for a Role, each preceded by its length, 4 bytes, little-endian.
func WritePictures(path string, pictures [][]byte) error {
	var all []byte
	for _, p := range pictures {
		all = append(binary.LittleEndian.AppendUint32(all, uint32(len(p))), p...)
	}
	return os.WriteFile(path, all, 0o600)
}

func readPictures(path string) ([][]byte, error) {
	all, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var pictures [][]byte
	for len(all) >= 4 {
		n := int(binary.LittleEndian.Uint32(all))
		if all = all[4:]; n < 1 || n > len(all) {
			return nil, fmt.Errorf("%s: a picture of %d bytes, but only %d are left", path, n, len(all))
		}
		pictures, all = append(pictures, all[:n:n]), all[n:]
	}
	if len(pictures) == 0 {
		return nil, fmt.Errorf("%s: no pictures", path)
	}
	return pictures, nil
}
