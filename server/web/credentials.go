package web

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"
)

// credentials are those a request offers.
type credentials struct {
	tokens    []string
	passwords []userPassword
}

type userPassword struct{ user, password string }

// maxPasswords limits the passwords verified per request: each costs a bcrypt.
const maxPasswords = 2

// credentialsOf reads a request's credentials: a proxy may have added its Authorization, or replaced the client's.
func credentialsOf(r *http.Request) (c credentials) {
	for _, token := range r.URL.Query()["token"] {
		if token != "" {
			c.tokens = append(c.tokens, token)
		}
	}
	for _, header := range r.Header.Values("Authorization") {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
		rest = strings.TrimSpace(rest)
		switch {
		case rest == "":
		case strings.EqualFold(scheme, "Bearer"):
			c.tokens = append(c.tokens, rest)
		case strings.EqualFold(scheme, "Basic") && len(c.passwords) < maxPasswords:
			if p, ok := parseBasic(rest); ok {
				c.passwords = append(c.passwords, p)
			}
		}
	}
	return c
}

// parseBasic parses Basic credentials (RFC 7617). The first colon ends the user; the password may contain more.
func parseBasic(encoded string) (p userPassword, ok bool) {
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return p, false
	}
	p.user, p.password, ok = strings.Cut(toUTF8(string(plain)), ":")
	return p, ok
}

// toUTF8 takes invalid UTF-8 for Latin-1, which older clients send and older editors write.
func toUTF8(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}

// toLatin1 is the inverse; ok is false if text has other characters.
func toLatin1(text string) (latin string, ok bool) {
	b := make([]byte, 0, len(text))
	for _, c := range text {
		if c > 0xff {
			return "", false
		}
		b = append(b, byte(c))
	}
	return string(b), true
}
