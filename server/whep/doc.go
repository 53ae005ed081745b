// Package whep sends a feed's H.264 to browsers by WebRTC, which they ask for by WHEP (WebRTC-HTTP Egress Protocol, draft-ietf-wish-whep): one POST with an
// offer, answered with everything that is needed, no other server involved.
//
// # Media
//
// All viewers share one UDP and one TCP port. Each access unit of the log is cut into payloads once, which all viewers' packets carry. A viewer
// that lost packets gets them again while they are at hand (NACK), or a key frame (PLI). Packets are paced; what a viewer's link can carry is estimated from the
// arrival times and losses that its browser reports (transport-wide congestion control).
//
// # Bitrate
//
// There is one encoder for all. Its bitrate follows the estimates down and up, but the slowest third of the viewers do not decide for all: who cannot
// follow gets key frames alone, until the link has recovered.
//
// # Memory
//
// A viewer keeps the last 512 packets for retransmission, 600 KiB at most, besides the state of its connection. docs/h264.md has what a viewer was measured to cost.
package whep
