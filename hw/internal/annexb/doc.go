// Package annexb finds the access units in a raw H.264 stream (ITU-T H.264 annex B): groups of NAL units, each after a start code, that make up a picture.
// Nothing is decoded; only the beginning of each slice header is parsed.
package annexb
