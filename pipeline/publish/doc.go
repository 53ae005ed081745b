// Package publish sends a feed's H.264 to servers that take it: by RTMP and RTMPS, as platforms want it, and by RTSP and RTSPS (RECORD).
//
// A Publisher has one server. It connects, sends from a key frame on, and when the connection ends connects again, with growing pauses. It reads the log of access
// units as every other reader does: it never holds up the encoder or others, and when the server or the link is slower than the stream it goes on with the next
// key frame. New parameter sets, as after a change of the picture's size, go out in the stream that runs; the frame rate may change at any time.
//
// An address is a secret, as it has the stream key or a password in it. It can be read from a file, and what State, the log and errors show of it is without.
package publish
