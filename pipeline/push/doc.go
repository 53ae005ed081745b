// Package push sends pictures to a server over HTTP: one with Post, or a sequence with a Pusher, over one persistent connection.
//
// A Pusher sends each picture as a separate request, as the body itself (Raw) or as a file in a form (Form), or all of them as parts of one
// endless request (Multipart). When the server is slower than the camera, or unreachable, the newest picture wins, unless there is a spool: then
// every picture is on disk before it is sent, and is delivered in order when the server is back, even by a later process. Each picture has a key
// (header Idempotency-Key) that is the same for every attempt, so that a server that remembers keys stores it only once.
//
// Pictures are sent from the memory they are in, without a copy, unless they are spooled.
package push
