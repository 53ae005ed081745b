package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Control is who may change things, that is, use methods other than GET and HEAD, on all paths except login, logout, and a Route with Views set.
type Control string

// Users and tokens marked "view" may never change anything.
const (
	// ControlOpen allows everybody with access.
	ControlOpen Control = "open"
	// ControlAuth allows users with a password or token; without authentication nobody.
	ControlAuth Control = "auth"
	// ControlLocal allows requests from this machine that no proxy forwarded.
	ControlLocal Control = "local"
	// ControlOff allows nobody.
	ControlOff Control = "off"
)

func (c Control) check() error {
	switch c {
	case ControlOpen, ControlAuth, ControlLocal, ControlOff:
		return nil
	}
	return fmt.Errorf("control %q: must be %s, %s, %s or %s", string(c), ControlOpen, ControlAuth, ControlLocal, ControlOff)
}

// right is what a user or token may do.
type right struct {
	view   bool   // view only
	device string // a token's only device; "": not bound to one
}

var (
	operate  = right{}
	viewOnly = right{view: true} // for those marked so
)

// mayControl returns why the sender may not change things; nil: it may.
func (l *live) mayControl(r *http.Request, has right) error {
	switch {
	case l.auth != nil && has.view:
		return errors.New("this user or token is view-only")
	case l.control == ControlOff:
		return errors.New("changes are disabled")
	case l.control == ControlAuth && l.auth == nil:
		return errors.New("changes require a user or token, and this server has none")
	case l.control == ControlLocal:
		if ip, forwarded := l.proxies.client(r); forwarded || ip.IsValid() && !ip.Unmap().IsLoopback() {
			return errors.New("changes are only allowed from the server's own machine")
		}
	}
	return nil
}

func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// deviceKey is the context key of the device that the request's token is bound to.
type deviceKey struct{}

// Device returns the only device whose pictures the sender of r, a request that a Server has passed on, may send; "": any. Only servers with
// Config.DeviceTokens have such tokens.
func Device(r *http.Request) string {
	device, _ := r.Context().Value(deviceKey{}).(string)
	return device
}

// controlKey is the context key of the reason why the request may not change things.
type controlKey struct{}

func withControl(r *http.Request, why error) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), controlKey{}, why))
}

// MayControl reports whether the sender of r, a request that a Server has passed on, may change things.
func MayControl(r *http.Request) bool { return r.Context().Value(controlKey{}) == nil }
