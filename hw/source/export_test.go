package source

import "net/http"

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
