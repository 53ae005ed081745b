// Package fanbench measures what it costs to deliver a stream to many viewers: viewers that count, time and check frames, servers in processes of
// their own, and the least that a server could do, to compare with. Its contents exist on Linux only.
package fanbench
