// Package bench measures a source's way to its viewers, stage by stage, on any machine: capture, encode, publish, deliver; each beside a
// limit that was measured in the same run.
//
// A run has three parts:
//
//  1. Each stage alone, one after the other in one thread on the source's own pictures: its allocations, and the limits: a copy of
//     its bytes, libjpeg called straight with the same picture.
//  2. The whole: the pipeline without viewers for a while, then with a server and viewers. CPU time inside the source's read and the
//     encoder is that thread's own clock; what the process spends besides is the rest. What the rest grows by with viewers is delivery's.
//  3. A bare loop serves the same pictures to as many viewers: delivery's limit.
//
// Viewers and the bare loop are processes of their own, so none of their time is counted.
package bench
