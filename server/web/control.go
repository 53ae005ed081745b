package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Control says who may change things: use other methods than GET and HEAD, on all paths but login, logout, and a Route's that Views.
type Control string

// Whatever it is, users and tokens that are marked "view" may not.
const (
	// ControlOpen: everybody who is allowed in.
	ControlOpen Control = "open"
	// ControlAuth: who has shown a password or token; without authentication nobody.
	ControlAuth Control = "auth"
	// ControlLocal: requests from this machine itself, which no proxy passed on.
	ControlLocal Control = "local"
	// ControlOff: nobody.
	ControlOff Control = "off"
)

func (c Control) check() error {
	switch c {
	case ControlOpen, ControlAuth, ControlLocal, ControlOff:
		return nil
	}
	return fmt.Errorf("control %q: must be %s, %s, %s or %s", string(c), ControlOpen, ControlAuth, ControlLocal, ControlOff)
}

// right is what somebody who is allowed in may do.
type right struct {
	view   bool   // and nothing else
	device string // whose pictures a token may send, and no other's; "": it is bound to none
}

var (
	operate  = right{}
	viewOnly = right{view: true} // who is marked so
)

// mayControl says why somebody may not change things; nil: they may.
func (l *live) mayControl(r *http.Request, has right) error {
	switch {
	case l.auth != nil && has.view:
		return errors.New("this user or token may only view")
	case l.control == ControlOff:
		return errors.New("changes are switched off")
	case l.control == ControlAuth && l.auth == nil:
		return errors.New("changes need a user or token, and this server has none")
	case l.control == ControlLocal:
		if ip, forwarded := l.proxies.client(r); forwarded || ip.IsValid() && !ip.Unmap().IsLoopback() {
			return errors.New("changes are possible from the server's own machine only")
		}
	}
	return nil
}

func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions
}

// deviceKey is of a request's context: the device that its token is bound to.
type deviceKey struct{}

// Device returns the device that whoever sent r, a request that a Server has passed on, may send pictures of; "": any. Only servers with
// Config.DeviceTokens have tokens that are bound to one.
func Device(r *http.Request) string {
	device, _ := r.Context().Value(deviceKey{}).(string)
	return device
}

// controlKey is of a request's context: why whoever sent it may not change things.
type controlKey struct{}

func withControl(r *http.Request, why error) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), controlKey{}, why))
}

// MayControl says whether who sent r, a request that a Server has passed on, may change things.
func MayControl(r *http.Request) bool { return r.Context().Value(controlKey{}) == nil }
