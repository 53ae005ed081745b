package video

import (
	"bytes"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/maixstream/maixstream/hw/frame"
)

// parametersOf finds a key frame's parameter sets. missing are those that the unit does not have itself and the ones before it had.
func (l *Log) parametersOf(u *frame.AccessUnit) (p *Parameters, missing [2][]byte, err error) {
	var sps, pps []byte
	for _, n := range u.NALs {
		if len(n) == 0 {
			continue
		}
		switch h264.NALUType(n[0] & 0x1f) {
		case h264.NALUTypeSPS:
			sps = n
		case h264.NALUTypePPS:
			pps = n
		}
	}
	p = l.parameters.Load()
	if p == nil && (sps == nil || pps == nil) {
		return nil, missing, fmt.Errorf("video: a key frame before any parameter sets (SPS, PPS): %w", frame.ErrBadPicture)
	}
	if sps == nil {
		sps, missing[0] = p.SPS, p.SPS
	}
	if pps == nil {
		pps, missing[1] = p.PPS, p.PPS
	}
	if p != nil && bytes.Equal(sps, p.SPS) && bytes.Equal(pps, p.PPS) {
		return p, missing, nil
	}
	var parsed h264.SPS
	if err := parsed.Unmarshal(sps); err != nil {
		return nil, missing, fmt.Errorf("video: sequence parameter set: %w: %w", err, frame.ErrBadPicture)
	}
	return &Parameters{SPS: bytes.Clone(sps), PPS: bytes.Clone(pps), Width: parsed.Width(), Height: parsed.Height()}, missing, nil
}

// Codec returns the stream's codec string in RFC 6381 syntax, "avc1.42c01f": profile, constraints and level are read from the SPS, as they can differ from what
// the encoder was asked for.
func (p *Parameters) Codec() string {
	return fmt.Sprintf("avc1.%02x%02x%02x", p.SPS[1], p.SPS[2], p.SPS[3])
}
