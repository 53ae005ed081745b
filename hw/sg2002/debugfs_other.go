//go:build !linux

package sg2002

import "errors"

func mountDebugfs() error { return errors.ErrUnsupported }
