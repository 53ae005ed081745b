// Package annexb finds the access units in a raw H.264 stream (ITU-T H.264 annex B): NAL units behind start codes, of which several make up a picture. Nothing is
// decoded; of a slice only the beginning of its header is read.
package annexb
