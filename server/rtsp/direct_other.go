//go:build !linux

package rtsp

// direct returns nil: each reader has a goroutine that writes to it.
func (*conn) direct() func([]byte) (int, error) { return nil }
