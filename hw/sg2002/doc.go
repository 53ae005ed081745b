// Package sg2002 drives the MaixCAM's camera: sensor, ISP, scaler and hardware encoders of the SG2002, through the chip's
// own MPI libraries, which are opened by name at run time.
//
// Frames pass from the sensor to the encoder by handle; the CPU never touches the raw pixels of a stream. It sees only the finished JPEG, which is
// copied once, into the buffer passed to ReadJPEG.
//
// All MPI calls are made on one C thread with all signals blocked. So Go's own signals cannot cut the driver's waits
// short, and no frame is sent to the encoder before the previous picture was fetched: the driver has one lock for all channels.
// Every wait is finite. If a call does not return, it is abandoned together with its thread.
package sg2002
