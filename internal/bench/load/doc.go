// Package load puts a stream under load: viewers that count, time and check frames, servers in processes of their own, and a bare loop in C, the least that
// a server could do, to compare with. Its contents exist on Linux only.
package load
