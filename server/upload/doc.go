// Package upload is the server that pictures are posted to: it takes them from many devices, keeps them as files for some time, and shows
// the newest ones, live too.
//
// # Memory
//
// A picture goes to a file while it comes in (a buffer of 32 KiB a connection). To be checked it is read back as a whole, by as
// many uploads at once as there are CPUs; those buffers, of MaxUpload bytes each at most, are the largest part. The index of the kept pictures has 16
// bytes for each of them. A device that somebody watches has a ring of four pictures; one that nobody watches has none.
//
// # Files
//
//	DIR/DEVICE/2026-11-22/HHMMSS.mmm-SEQ.jpg   or .png; times are UTC and the picture's own (X-Timestamp), SEQ is the device's (X-Sequence)
//	DIR/DEVICE/.keys                           the newest idempotency keys
//	DIR/.incoming/                             what is not complete yet; emptied at the start
//	DIR/.lock                                  held while a server runs on DIR
//
// A picture gets its name only once it is complete and checked, by a rename. Other files in DIR are left alone.
package upload
