package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"

	"github.com/maixstream/maixstream/internal/secretfile"
)

// auth holds the users, tokens and sessions that grant access.
type auth struct {
	users  map[string]account
	tokens map[digest]right
	decoy  []byte // compared for unknown users, so that timing does not reveal which users exist
	key    []byte
	// deviceTokens: a token may be followed by a device name.
	deviceTokens bool

	// bcrypt takes tens of milliseconds (seconds on the board) by design: one at a time, and successes are cached.
	verify sync.Mutex
	mu     sync.Mutex
	known  map[digest]time.Time // until when a user and password need not be verified again

	sessions sessions
	attempts attempts
}

// account is a user's entry.
type account struct {
	hash string // bcrypt
	has  right
}

type digest [sha256.Size]byte

const (
	knownFor = 10 * time.Minute
	maxKnown = 1024
)

// newAuth reads the files; it returns nil if there are none. Only auths with the same key can be compared; nil: a new key.
func newAuth(authFile, tokenFile string, deviceTokens bool, key []byte) (*auth, error) {
	if authFile == "" && tokenFile == "" {
		return nil, nil
	}
	a := &auth{users: map[string]account{}, tokens: map[digest]right{}, key: key, known: map[digest]time.Time{}, deviceTokens: deviceTokens}
	a.sessions.open = map[digest]*session{}
	a.attempts.limiters = map[string]*rate.Limiter{}
	a.attempts.all = rate.NewLimiter(allWrongEvery, allWrongAtOnce)
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

// same reports whether both grant exactly the same access.
func (a *auth) same(b *auth) bool {
	return maps.Equal(a.users, b.users) && maps.Equal(a.tokens, b.tokens)
}

// viewMark ends the line of a view-only user or token.
const viewMark = "view"

func readLines(what, name string, add func(line string, has right) error) error {
	text, err := secretfile.Text(name)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return fmt.Errorf("%s %s: the file is UTF-16; save it as UTF-8", what, name)
	}
	n, entries := 0, 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(toUTF8(line))
		if line == "" || line[0] == '#' {
			continue
		}
		has := operate
		if fields := strings.Fields(line); len(fields) > 1 && fields[len(fields)-1] == viewMark {
			line, has = strings.TrimSpace(strings.TrimSuffix(line, viewMark)), viewOnly
		}
		if err := add(line, has); err != nil {
			return fmt.Errorf("%s %s: line %d: %w", what, name, n, err)
		}
		entries++
	}
	if entries == 0 {
		return fmt.Errorf("%s %s: no entry, so nobody could get in", what, name)
	}
	return nil
}

func (a *auth) addUser(line string, has right) error {
	user, hash, ok := strings.Cut(line, ":")
	if !ok || user == "" {
		return errors.New("want user:bcrypt-hash (see htpasswd -nB USER), followed by the word view for a view-only user")
	}
	_, err := bcrypt.Cost([]byte(hash))
	if err == nil && strings.ContainsAny(hash, " \t") {
		err = fmt.Errorf("unexpected word after it: only %q is allowed", viewMark)
	}
	if err != nil {
		return fmt.Errorf("user %q: not a bcrypt hash (htpasswd -nB USER creates one): %w", user, err)
	}
	if _, double := a.users[user]; double {
		return fmt.Errorf("user %q: duplicate entry", user)
	}
	a.users[user], a.decoy = account{hash, has}, []byte(hash)
	return nil
}

func (a *auth) addToken(line string, has right) error {
	if fields := strings.Fields(line); a.deviceTokens && len(fields) == 2 {
		line, has.device = fields[0], fields[1]
	}
	if len(line) < 16 || strings.ContainsAny(line, " \t") {
		return errors.New("a token must have at least 16 characters and no spaces (openssl rand -hex 16 creates one); the word view after it makes it view-only")
	}
	a.tokens[a.digest("token", line)] = has
	return nil
}

// digest is keyed, so that neither memory nor timing reveals passwords and tokens.
func (a *auth) digest(parts ...string) (d digest) {
	m := hmac.New(sha256.New, a.key)
	for _, p := range parts {
		fmt.Fprintf(m, "%d:%s", len(p), p)
	}
	m.Sum(d[:0])
	return d
}

// verdict is the result of checking a request's credentials.
type verdict int

const (
	unknown   verdict = iota
	admitted          // by Basic, Bearer or ?token=
	inSession         // by the page's cookie, which browsers send unasked: the request's origin must be checked
	tooMany           // after too many failures
)

// judge checks a request's credentials. Any valid one grants access, whatever else the request contains.
func (a *auth) judge(r *http.Request, sender string) (verdict, right) {
	c := credentialsOf(r)
	for _, token := range c.tokens {
		if has, ok := a.tokens[a.digest("token", token)]; ok {
			return admitted, has
		}
	}
	for _, p := range c.passwords {
		if a.remembers(a.digest("password", p.user, p.password)) {
			return admitted, a.users[p.user].has
		}
	}
	if s := a.sessions.of(a, r); s != nil {
		return inSession, s.has
	}
	v := unknown
	for _, p := range c.passwords {
		var has right
		if v, has = a.password(sender, p.user, p.password); v != unknown {
			return v, has
		}
	}
	if len(c.passwords) == 0 && len(c.tokens) > 0 {
		v, _ = a.token(sender, c.tokens[0])
	}
	return v, viewOnly
}

// token needs no slow comparison: a valid one is accepted however many wrong ones preceded it.
func (a *auth) token(sender, token string) (verdict, right) {
	if has, ok := a.tokens[a.digest("token", token)]; ok {
		return admitted, has
	}
	if !a.attempts.allowed(sender) {
		return tooMany, viewOnly
	}
	a.attempts.failed(sender)
	return unknown, viewOnly
}

// password verifies a user's password; sender is for rate limiting.
func (a *auth) password(sender, user, password string) (verdict, right) {
	known, exists := a.users[user]
	d := a.digest("password", user, password)
	if a.remembers(d) {
		return admitted, known.has
	}
	if !a.attempts.allowed(sender) { // without waiting for the lock, which others' attempts may hold
		return tooMany, viewOnly
	}
	a.verify.Lock()
	defer a.verify.Unlock()
	if a.remembers(d) { // verified while waiting
		return admitted, known.has
	}
	if !a.attempts.allowed(sender) {
		return tooMany, viewOnly
	}
	hash := []byte(known.hash)
	if !exists {
		hash = a.decoy
	}
	if hash == nil || !matchesHash(hash, password) || !exists {
		a.attempts.failed(sender)
		return unknown, viewOnly
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxKnown {
		clear(a.known)
	}
	a.known[d] = time.Now().Add(knownFor)
	return admitted, known.has
}

// matchesHash compares a password as sent, and in the encoding that older programs hashed.
func matchesHash(hash []byte, password string) bool {
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil {
		return true
	}
	latin, ok := toLatin1(password)
	return ok && latin != password && bcrypt.CompareHashAndPassword(hash, []byte(latin)) == nil
}

func (a *auth) remembers(d digest) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.known[d])
}
