//go:build nopublish

package publish

import (
	"context"
	"errors"
)

// connect says that this program cannot.
func (*Publisher) connect(context.Context, *target) (connection, error) {
	return nil, errors.New("this program was built without publishing (nopublish)")
}
