// Package whep sends a feed's H.264 to browsers over WebRTC, negotiated by WHEP (WebRTC-HTTP Egress Protocol, draft-ietf-wish-whep): one POST with an
// offer, whose answer is complete; no other server is involved.
//
// # Media
//
// All viewers share one UDP and one TCP port. Each access unit in the log is packetized once for all viewers. Lost packets are retransmitted
// while they are still buffered (NACK), or replaced by a key frame (PLI). Packets are paced; the capacity of a viewer's link is estimated from the
// arrival times and losses that its browser reports (transport-wide congestion control).
//
// # Bitrate
//
// All viewers share one encoder. Its bitrate follows their estimates up and down, but the slowest third cannot lower it for the rest: a viewer that
// cannot keep up receives key frames only, until its link has recovered.
//
// # Memory
//
// Each viewer keeps its last 512 packets for retransmission, at most 600 KiB, plus its connection state. docs/h264.md has the measured cost per viewer.
package whep
