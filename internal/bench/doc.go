// Package bench measures the path from a source to its viewers, stage by stage, on any machine: capture, encode, publish, deliver; each along with a
// limit measured in the same run.
//
// A run has three parts:
//
//  1. Each stage alone, in turn, in one thread on the source's own pictures: its allocations, and the limits: a copy of
//     its bytes, a direct call of libjpeg with the same picture.
//  2. Everything: the pipeline without viewers for a while, then with a server and viewers. CPU time inside the source's read and the
//     encoder is read from that thread's clock; the remainder of the process's time is the rest. Its growth with viewers is delivery's.
//  3. A bare loop serves the same pictures to as many viewers: delivery's limit.
//
// Viewers and the bare loop are separate processes, so their time is not counted.
package bench
