package web

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"
)

// auth knows who is allowed in.
type auth struct {
	hashes map[string][]byte // user -> bcrypt
	tokens map[digest]struct{}
	decoy  []byte // compared for unknown users, so that the time of a refusal does not tell who exists
	key    []byte

	// bcrypt takes tens of milliseconds (seconds on the board) by design: one at a time, and what was right is remembered.
	verify sync.Mutex
	mu     sync.Mutex
	known  map[digest]time.Time // until when a user and password need not be verified again

	sessions sessions
	attempts attempts
}

type digest [sha256.Size]byte

const (
	knownFor = 10 * time.Minute
	maxKnown = 1024
)

// newAuth reads the files; nil when there are none. Only two with the same key can be compared; nil: a new key.
func newAuth(authFile, tokenFile string, key []byte) (*auth, error) {
	if authFile == "" && tokenFile == "" {
		return nil, nil
	}
	a := &auth{hashes: map[string][]byte{}, tokens: map[digest]struct{}{}, key: key, known: map[digest]time.Time{}}
	a.sessions.until = map[digest]time.Time{}
	a.attempts.limiters = map[string]*rate.Limiter{}
	if key == nil {
		a.key = make([]byte, 32)
		rand.Read(a.key)
	}
	if authFile != "" {
		if err := readLines("auth file", authFile, a.addUser); err != nil {
			return nil, err
		}
	}
	if tokenFile != "" {
		if err := readLines("token file", tokenFile, a.addToken); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// same says whether both let in exactly the same.
func (a *auth) same(b *auth) bool {
	equal := func(x, y []byte) bool { return string(x) == string(y) }
	return maps.EqualFunc(a.hashes, b.hashes, equal) && maps.Equal(a.tokens, b.tokens)
}

// text is what bytes mean that should be UTF-8: those that are not are Latin-1, which older editors and clients write.
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func readLines(what, name string, add func(line string) error) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer f.Close()
	lines, entries := bufio.NewScanner(f), 0
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // some editors' byte order mark
		}
		line = strings.TrimSpace(text(line))
		if line == "" || line[0] == '#' {
			continue
		}
		if err := add(line); err != nil {
			return fmt.Errorf("%s %s: line %d: %w", what, name, n, err)
		}
		entries++
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", what, name, err)
	}
	if entries == 0 {
		return fmt.Errorf("%s %s: no entry in it, so nobody could get in", what, name)
	}
	return nil
}

func (a *auth) addUser(line string) error {
	user, hash, ok := strings.Cut(line, ":")
	if !ok || user == "" {
		return errors.New("want user:bcrypt-hash (htpasswd -nB USER makes such a line)")
	}
	if _, err := bcrypt.Cost([]byte(hash)); err != nil {
		return fmt.Errorf("user %q: not a bcrypt hash (htpasswd -nB USER makes one): %w", user, err)
	}
	if _, double := a.hashes[user]; double {
		return fmt.Errorf("user %q: stands here twice", user)
	}
	a.hashes[user], a.decoy = []byte(hash), []byte(hash)
	return nil
}

func (a *auth) addToken(line string) error {
	if len(line) < 16 || strings.ContainsAny(line, " \t") {
		return errors.New("a token has at least 16 characters and no spaces (openssl rand -hex 16 makes one)")
	}
	a.tokens[a.digest("token", line)] = struct{}{}
	return nil
}

// digest is keyed, so that neither memory nor timing tells anything about passwords and tokens.
func (a *auth) digest(parts ...string) (d digest) {
	m := hmac.New(sha256.New, a.key)
	for _, p := range parts {
		fmt.Fprintf(m, "%d:%s", len(p), p)
	}
	m.Sum(d[:0])
	return d
}

// verdict is what is known about who sent a request.
type verdict int

const (
	unknown   verdict = iota
	admitted          // by Basic, Bearer or ?token=
	inSession         // by the page's cookie: the browser sends it by itself, so whose wish the request was must be checked
	tooMany           // wrong ones have come from this address
)

// judge decides about a request.
func (a *auth) judge(r *http.Request) verdict {
	if user, password, ok := r.BasicAuth(); ok {
		return a.password(clientOf(r), text(user), text(password))
	}
	token := r.URL.Query().Get("token")
	if scheme, bearer, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(bearer)
	}
	if token != "" {
		return a.token(clientOf(r), token)
	}
	if a.sessions.has(a, r) {
		return inSession
	}
	return unknown
}

// token needs no slow comparison: a right one is let in however many wrong ones came before it.
func (a *auth) token(client, token string) verdict {
	if _, ok := a.tokens[a.digest("token", token)]; ok {
		return admitted
	}
	if !a.attempts.allowed(client) {
		return tooMany
	}
	a.attempts.failed(client)
	return unknown
}

// password verifies a user's password for a client.
func (a *auth) password(client, user, password string) verdict {
	d := a.digest("password", user, password)
	if a.remembers(d) {
		return admitted
	}
	if !a.attempts.allowed(client) { // without waiting for the lock, which the attempts of others may hold
		return tooMany
	}
	a.verify.Lock()
	defer a.verify.Unlock()
	if a.remembers(d) { // verified while we waited
		return admitted
	}
	if !a.attempts.allowed(client) {
		return tooMany
	}
	hash, exists := a.hashes[user]
	if !exists {
		hash = a.decoy
	}
	if hash == nil || bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !exists {
		a.attempts.failed(client)
		return unknown
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
	a.known[d] = time.Now().Add(knownFor)
	return admitted
}

func (a *auth) remembers(d digest) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.known[d])
}
