package httpauth

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// challenge is a server's Digest challenge (RFC 7616, section 3.3), and how often it was answered.
type challenge struct {
	realm, nonce, opaque string
	algorithm            string // as the server spells it; "": MD5
	session              bool   // …-sess
	auth                 bool   // qop=auth is offered; without, RFC 2069's answer is given
	stale                bool
	hash                 func() hash.Hash
	count                uint32
}

// challenges reads the fields of WWW-Authenticate: the best Digest among them, and whether Basic is offered.
func challenges(fields []string) (best *challenge, basic bool) {
	for _, field := range fields {
		for _, one := range split(field) {
			scheme, rest, _ := strings.Cut(one, " ")
			switch {
			case strings.EqualFold(scheme, "Basic"):
				basic = true
			case strings.EqualFold(scheme, "Digest"):
				if c := parse(rest); c != nil && (best == nil || strings.HasPrefix(strings.ToUpper(c.algorithm), "SHA-256")) {
					best = c
				}
			}
		}
	}
	return best, basic
}

// split cuts a field of several challenges into each.
func split(field string) []string {
	var list []string
	for _, item := range items(field) {
		name, _, _ := strings.Cut(item, "=")
		if scheme, _, ok := strings.Cut(strings.TrimSpace(name), " "); ok && scheme != "" || !strings.Contains(item, "=") || len(list) == 0 {
			list = append(list, item)
			continue
		}
		list[len(list)-1] += ", " + item
	}
	return list
}

// items cuts at commas that are not within quotes.
func items(text string) []string {
	var list []string
	quoted, from := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			list, from = append(list, strings.TrimSpace(text[from:i])), i+1
		}
	}
	return append(list, strings.TrimSpace(text[from:]))
}

// parse reads a challenge's parameters; nil: it cannot be answered.
func parse(text string) *challenge {
	c := &challenge{hash: md5.New}
	offered := ""
	for _, item := range items(text) {
		name, value, _ := strings.Cut(item, "=")
		value = unquoted(strings.TrimSpace(value))
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "realm":
			c.realm = value
		case "nonce":
			c.nonce = value
		case "opaque":
			c.opaque = value
		case "algorithm":
			c.algorithm = value
		case "qop":
			offered = value
		case "stale":
			c.stale = strings.EqualFold(value, "true")
		}
	}
	for one := range strings.SplitSeq(offered, ",") {
		c.auth = c.auth || strings.EqualFold(strings.TrimSpace(one), "auth")
	}
	name, session := strings.CutSuffix(strings.ToUpper(c.algorithm), "-SESS")
	c.session = session
	switch name {
	case "", "MD5":
	case "SHA-256":
		c.hash = sha256.New
	default:
		return nil
	}
	if c.nonce == "" || offered != "" && !c.auth {
		return nil
	}
	return c
}

func unquoted(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	var b strings.Builder
	for s = s[1 : len(s)-1]; s != ""; s = s[1:] {
		if s[0] == '\\' && len(s) > 1 {
			s = s[1:]
		}
		b.WriteByte(s[0])
	}
	return b.String()
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// answer is the value of Authorization for a request (RFC 7616, section 3.4).
func (c *challenge) answer(method, uri string, who Credentials) string {
	c.count++
	return c.answerWith(method, uri, who, rand.Text())
}

func (c *challenge) answerWith(method, uri string, who Credentials, cnonce string) string {
	sum := func(parts ...string) string {
		h := c.hash()
		_, _ = h.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(h.Sum(nil))
	}
	secret := sum(who.User, c.realm, who.Password)
	if c.session {
		secret = sum(secret, c.nonce, cnonce)
	}
	count := fmt.Sprintf("%08x", c.count)
	response := sum(secret, c.nonce, sum(method, uri))
	if c.auth {
		response = sum(secret, c.nonce, count, cnonce, "auth", sum(method, uri))
	}
	text := fmt.Sprintf("Digest username=%s, realm=%s, nonce=%s, uri=%s, response=%s", quoted(who.User), quoted(c.realm), quoted(c.nonce), quoted(uri), quoted(response))
	if c.algorithm != "" {
		text += ", algorithm=" + c.algorithm
	}
	if c.auth {
		text += fmt.Sprintf(", qop=auth, nc=%s, cnonce=%s", count, quoted(cnonce))
	} else if c.session {
		text += ", cnonce=" + quoted(cnonce)
	}
	if c.opaque != "" {
		text += ", opaque=" + quoted(c.opaque)
	}
	return text
}
