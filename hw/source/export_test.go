package source

import (
	"net/http"

	"github.com/maixstream/maixstream/hw/frame"
)

// CheckRedirect returns checkRedirect's decision.
func CheckRedirect(from, to string) error {
	before, err := http.NewRequest(http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	next, err := http.NewRequest(http.MethodGet, to, nil)
	if err != nil {
		return err
	}
	return checkRedirect(next, []*http.Request{before})
}

// OpenThrough opens http://camera/ through a transport.
func OpenThrough(transport http.RoundTripper, o Options) (frame.Source, error) {
	return (&site{address: "http://camera/", name: "http://camera/", client: &http.Client{Transport: transport}}).open(o)
}
