// Package sg2002 is the camera of a MaixCAM: sensor, ISP, scaler and hardware JPEG encoder of the SG2002, through the chip's
// own MPI libraries, which are opened by name at run time.
//
// Frames pass from the sensor to the encoder by handle; the CPU touches no raw pixel of a stream. The first byte that it sees is JPEG, which is
// copied once, into the memory that ReadJPEG is given.
//
// All calls of the MPI are made on one C thread that has all signals blocked, so that Go's own signals cannot cut the driver's
// waits short, and so that no frame is ever sent to the encoder before the one before it was taken: the driver has one lock for all channels.
// Every wait is finite. A call that does not return is abandoned with its thread.
package sg2002
