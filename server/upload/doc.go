// Package upload is a server for posted pictures: it accepts them from many devices, keeps them as files for some time, and shows
// the newest ones, also live.
//
// # Memory
//
// A picture is written to a file as it arrives (a buffer of 32 KiB per connection). To be checked it is read back whole, by as many
// uploads at once as there are CPUs; those buffers, of up to MaxUpload bytes each, are the largest part. The index of stored pictures takes 16
// bytes per picture. A device with viewers has a ring of four pictures; one without has none.
//
// # Files
//
//	DIR/DEVICE/2026-11-22/HHMMSS.mmm-SEQ.jpg   or .png; times are UTC and the picture's (X-Timestamp), SEQ is the device's (X-Sequence)
//	DIR/DEVICE/.keys                           the newest idempotency keys
//	DIR/.incoming/                             incomplete pictures; emptied at the start
//	DIR/.lock                                  held while a server runs on DIR
//
// A picture is renamed to its final name only once it is complete and checked. Other files in DIR are left alone.
package upload
