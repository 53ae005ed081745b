// Package push sends pictures to a server by HTTP: one with Post, or one after the other with a Pusher, over one connection that is kept alive.
//
// A Pusher sends each picture as a request of its own, as the body itself (Raw) or as a file in a form (Form), or all of them as parts of one
// request that does not end (Multipart). When the server is slower than the camera, or away, the newest picture wins, unless there is a spool: then
// every picture is on disk before it is sent, and is delivered in order when the server is back, also by the next process. Each picture has a key
// (header Idempotency-Key) that stays the same however often it is sent, so that a server that remembers keys takes each once.
//
// Pictures are sent from the memory in which they are: none of this package's ways copies a picture but the spool's, which is the disk's.
package push
