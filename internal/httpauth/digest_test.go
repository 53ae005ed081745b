package httpauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/icholy/digest"

	"github.com/maixstream/maixstream/internal/httpauth"
)

// The example of RFC 7616, 3.9.1, in the forms that servers use.
func TestChallengesAreFound(t *testing.T) {
	const one = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	for name, headers := range map[string][]string{
		"alone":                  {one},
		"small letters":          {strings.Replace(one, "Digest", "digest", 1)},
		"after Basic":            {`Basic realm="x"`, one},
		"after Basic, same line": {`Basic realm="x", ` + one},
		"before Basic, a line":   {one + `, Basic realm="x"`},
		"after an unknown one":   {strings.Replace(one, "MD5", "SHA-3", 1), one},
		"after one, same line":   {strings.Replace(one, "MD5", "SHA-3", 1) + ", " + one},
	} {
		var d httpauth.Digest
		h := http.Header{"Www-Authenticate": headers}
		r := httptest.NewRequest("GET", "/dir/index.html?a=b", nil)
		if d.Authorize(r, "Mufasa", "Circle of Life") || r.Header.Get("Authorization") != "" {
			t.Errorf("%s: answered without a challenge", name)
		}
		if !d.Learn(h) {
			t.Errorf("%s: not found", name)
			continue
		}
		if d.Learn(h) {
			t.Errorf("%s: the same nonce counts as new", name)
		}
		for range 2 {
			if !d.Authorize(r, "Mufasa", "Circle of Life") {
				t.Fatalf("%s: not answered", name)
			}
			got, err := digest.ParseCredentials(r.Header.Get("Authorization"))
			if err != nil || got.URI != "/dir/index.html?a=b" || got.Username != "Mufasa" || got.QOP != "auth" || !strings.EqualFold(got.Algorithm, "MD5") {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	}
}

func TestInvalidChallengesAreIgnored(t *testing.T) {
	for _, header := range []string{"", "Basic realm=x", "Digest", "Digest ", `Digest realm="x", nonce="y", algorithm=MD5-sess`, `Digest realm="x", nonce="y", qop="auth-int"`} {
		var d httpauth.Digest
		if d.Learn(http.Header{"Www-Authenticate": {header}}) {
			t.Errorf("%q was accepted", header)
		}
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="a, Digest b", nonce="n"`)
	f.Add(`Basic x, digest realm=y, nonce=z, qop=auth`)
	f.Fuzz(func(t *testing.T, header string) {
		var d httpauth.Digest
		learnt := d.Learn(http.Header{"Www-Authenticate": {header}})
		r := httptest.NewRequest("PUT", "/", nil)
		if answered := d.Authorize(r, "u", "p"); answered != learnt || (r.Header.Get("Authorization") != "") != learnt {
			t.Errorf("learnt %v, answered %v", learnt, answered)
		}
	})
}
