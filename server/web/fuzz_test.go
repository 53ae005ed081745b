package web

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

const fuzzPassword, fuzzToken = "a:long pässword", "0123456789abcdef"

// fuzzAuth has one user, one token and one session.
func fuzzAuth(f *testing.F) (a *auth, session string) {
	f.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(fuzzPassword), bcrypt.MinCost)
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	users, tokens := filepath.Join(dir, "users"), filepath.Join(dir, "tokens")
	if err := errors.Join(os.WriteFile(users, []byte("anna:"+string(hash)), 0o600), os.WriteFile(tokens, []byte(fuzzToken+" view"), 0o600)); err != nil {
		f.Fatal(err)
	}
	if a, err = newAuth(users, tokens, false, nil); err != nil {
		f.Fatal(err)
	}
	return a, a.sessions.start(a, operate)
}

// Access always needs valid credentials, in whatever form, and grants no more than they are for.
func FuzzCredentials(f *testing.F) {
	a, key := fuzzAuth(f)
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	f.Add(basic("anna:"+fuzzPassword), "", "")
	f.Add("basic   "+base64.RawStdEncoding.EncodeToString([]byte("anna:a:long p\xe4ssword")), "", "x=y")
	f.Add(basic("x:y"), "Bearer "+fuzzToken, "")
	f.Add(basic("anna"), "", "maixstream_0="+key)
	f.Add("Digest username=\"anna\"", "token="+fuzzToken, "maixstream_1=;maixstream_0=\""+key+"\"")
	f.Add("Bearer", "token=%zz&token=", "maixstream_=\x00; ;=;maixstream_x="+strings.Repeat("a", 65))
	f.Fuzz(func(t *testing.T, authorization, second, cookie string) {
		r := &http.Request{Method: http.MethodGet, Header: http.Header{"Authorization": {authorization, second}, "Cookie": {cookie}}}
		r.URL = &url.URL{Path: "/", RawQuery: second}
		c := credentialsOf(r)
		if len(c.passwords) > maxPasswords || slices.Contains(c.tokens, "") {
			t.Fatalf("%q", c)
		}
		for _, p := range c.passwords {
			if !utf8.ValidString(p.user) || !utf8.ValidString(p.password) || strings.Contains(p.user, ":") {
				t.Fatalf("%q", p)
			}
		}
		if keys := sessionKeys(r); len(keys) > maxSessionKeys {
			t.Fatalf("%d cookies", len(keys))
		}
		clear(a.attempts.limiters)
		v, has := a.judge(r, "sender")
		token := slices.Contains(c.tokens, fuzzToken)
		password := slices.Contains(c.passwords, userPassword{"anna", fuzzPassword})
		switch {
		case v == admitted && !token && !password:
			t.Errorf("access with %q", c)
		case v == inSession && !strings.Contains(cookie, key):
			t.Errorf("in a session with %q", cookie)
		case token && v != admitted:
			t.Errorf("a valid token was rejected: %v", v)
		case token && !password && v == admitted && has != viewOnly:
			t.Error("a view-only token may do more")
		case v == unknown || v == tooMany:
			if has != viewOnly {
				t.Error("changes allowed without access")
			}
		}
	})
}

// Untrusted senders cannot forge a request's address, and names that a stranger can have are not answered.
func FuzzForwarded(f *testing.F) {
	trusting, err := parseProxies([]string{"10.0.0.0/8", "::1", "unix"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("192.0.2.1, 10.1.2.3", "10.0.0.1:80", "camera.local:8000")
	f.Add(`"[2001:db8::1]:4711"`, "[::1]:80", "[::1]:80")
	f.Add("unknown,,1.2.3.4:x", "@", "EVIL.example.")
	f.Add("::ffff:10.0.0.1%eth0", "", "localhost.evil.example")
	own := localNames()
	f.Fuzz(func(t *testing.T, forwarded, remote, host string) {
		r := &http.Request{Header: http.Header{"X-Forwarded-For": strings.Split(forwarded, "\n")}, RemoteAddr: remote, Host: host}
		direct := addressOf(remote)
		if ip, passed := (&proxies{}).client(r); ip != direct || !passed && strings.Trim(forwarded, "\n") != "" {
			t.Errorf("without proxies: %v (%v), not %v", ip, passed, direct)
		}
		ip, _ := trusting.client(r)
		if !trusting.trusts(direct) && ip != direct {
			t.Errorf("%v claims to be %v", direct, ip)
		}
		if Sender(ip) == "" {
			t.Errorf("%v has no rate-limit key", ip)
		}
		l := &live{}
		name := hostOf(host)
		_, noAddress := netip.ParseAddr(name)
		if l.answers(r) && noAddress != nil && name != "" && name != "localhost" && !strings.HasSuffix(name, ".localhost") && !strings.HasSuffix(name, ".local") && !slices.Contains(own, name) {
			t.Errorf("host %q is answered", host)
		}
	})
}

// A file is rejected, or its entries grant access to those it names, and rereading it gives the same result.
func FuzzAuthAndTokenFile(f *testing.F) {
	const hash = "$2y$04$9bTUmMFTFQVKEh0FtB3nkuIdZhTZPLkvKzHUFPSwBNVnrnkPXVb2K"
	f.Add([]byte("anna:"+hash+"\n# nobody\n\nbert:"+hash+" view\r\n"), []byte("0123456789abcdef\n\tfedcba9876543210 view"))
	f.Add([]byte("\xef\xbb\xbfj\xf6rg:"+hash), []byte("\xff\xfe0\x00"))
	f.Add([]byte(":"+hash), []byte("view"))
	f.Add([]byte("anna:"+hash+" view view"), []byte("short"))
	dir := f.TempDir()
	users, tokens := filepath.Join(dir, "users"), filepath.Join(dir, "tokens")
	f.Fuzz(func(t *testing.T, userText, tokenText []byte) {
		if err := errors.Join(os.WriteFile(users, userText, 0o600), os.WriteFile(tokens, tokenText, 0o600)); err != nil {
			t.Fatal(err)
		}
		a, err := newAuth(users, "", false, nil)
		if errors.Is(err, fs.ErrNotExist) || (a == nil) == (err == nil) {
			t.Fatalf("%v, %v", a, err)
		}
		if err == nil {
			for name, account := range a.users {
				if _, err := bcrypt.Cost([]byte(account.hash)); err != nil || name == "" || !utf8.ValidString(name) {
					t.Errorf("%q: %q", name, account.hash)
				}
			}
			if b, err := newAuth(users, "", false, a.key); err != nil || !a.same(b) || len(a.users) == 0 {
				t.Errorf("reread: %v", err)
			}
		}
		a, err = newAuth("", tokens, true, nil)
		if (a == nil) == (err == nil) {
			t.Fatalf("%v, %v", a, err)
		}
		if err == nil {
			if _, empty := a.tokens[a.digest("token", "")]; empty || len(a.tokens) == 0 {
				t.Error("no token grants access")
			}
			if b, err := newAuth("", tokens, true, a.key); err != nil || !a.same(b) {
				t.Errorf("reread: %v", err)
			}
		}
	})
}
