package rtsp

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
)

// credentials are one way in that a request offers.
type credentials struct{ user, password, token string }

// mostCredentials bounds how many of a request are tried: each wrong password costs a bcrypt.
const mostCredentials = 3

// admit answers a request that is not allowed in; nil for the others.
func (i *instance) admit(conn *gortsplib.ServerConn, request *base.Request, query string) *base.Response {
	allow := i.s.config.Allow
	// Who was allowed in with this connection's first request stays so: of a query, GStreamer leaves nothing in the ones that follow.
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
	// gortsplib would close the connection of who shows a Digest, without a word on what is wanted.
	return &base.Response{
		StatusCode: base.StatusUnauthorized,
		Header:     base.Header{"WWW-Authenticate": base.HeaderValue{`Basic realm="maixstream"`}},
	}
}

// offered returns the ways in that a request has: tokens, which cost little to check, then passwords, and last nothing at all, for a server
// that is open. gortsplib's own parser takes no password with a colon, no "basic" and no second blank.
func offered(authorization []string, query string) []credentials {
	asked, _ := url.ParseQuery(query) // what is no good in it is left out
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

// basic reads what follows the word Basic (RFC 7617): the first colon ends the user, a password may have more. Bytes that are no UTF-8 are
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
