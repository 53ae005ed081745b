// Package load puts a stream under load: viewers that count, time and check frames, servers in separate processes, and a bare loop in C, the minimal
// server, for comparison. Its contents exist on Linux only.
package load
