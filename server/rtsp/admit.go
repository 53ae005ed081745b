package rtsp

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

// credentials are one set of credentials that a request offers.
type credentials struct{ user, password, token string }

// mostCredentials bounds how many are tried per request: each wrong password costs a bcrypt.
const mostCredentials = 3

// admit returns the reply to a request that is not authorised, or nil if it is.
func (i *instance) admit(conn *gortsplib.ServerConn, request *base.Request, query string) *base.Response {
	allow := i.s.config.Allow
	// Authorisation lasts for the connection: GStreamer drops the URL's query from later requests.
	if allow == nil || conn.UserData() != nil {
		return nil
	}
	from := conn.NetConn().RemoteAddr().String()
	for _, c := range offered(request.Header["Authorization"], query) {
		if allow(from, c.user, c.password, c.token) {
			conn.SetUserData(true)
			return nil
		}
	}
	// For a Digest, gortsplib itself would close the connection without a challenge.
	return &base.Response{
		StatusCode: base.StatusUnauthorized,
		Header:     base.Header{"WWW-Authenticate": base.HeaderValue{`Basic realm="maixstream"`}},
	}
}

// offered returns a request's credentials: tokens first, which are cheap to check, then passwords, and finally none, for a server
// without passwords. gortsplib's own parser rejects passwords with a colon, "basic" in lower case and a second space.
func offered(authorization []string, query string) []credentials {
	asked, _ := url.ParseQuery(query) // invalid parts are omitted
	var tokens, passwords []credentials
	if token := asked.Get("token"); token != "" {
		tokens = append(tokens, credentials{token: token})
	}
	for _, value := range authorization {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
		rest = strings.TrimSpace(rest)
		switch {
		case rest == "":
		case strings.EqualFold(scheme, "Bearer"):
			tokens = append(tokens, credentials{token: rest})
		case strings.EqualFold(scheme, "Basic"):
			if user, password, ok := basic(rest); ok {
				passwords = append(passwords, credentials{user: user, password: password})
			}
		}
	}
	all := append(tokens, passwords...)
	return append(all[:min(len(all), mostCredentials)], credentials{})
}

// basic decodes Basic credentials (RFC 7617): the first colon ends the user name; a password may contain more. Invalid UTF-8 is read as
// Latin-1, which older clients send.
func basic(encoded string) (user, password string, ok bool) {
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return "", "", false
	}
	text := string(plain)
	if !utf8.Valid(plain) {
		runes := make([]rune, len(plain))
		for i, b := range plain {
			runes[i] = rune(b)
		}
		text = string(runes)
	}
	user, password, ok = strings.Cut(text, ":")
	return user, password, ok && user != ""
}
