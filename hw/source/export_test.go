package source

import "net/http"

// CheckRedirect is what is decided about a redirect.
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
