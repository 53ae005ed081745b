package push

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"github.com/maixstream/maixstream/internal/httpauth"
	"github.com/maixstream/maixstream/internal/secretfile"
)

// secret holds a request's credentials: a user and password, a token, or headers, each from a file, so that they do not show in the process list;
// or the user and password of the URL. The files are reread when the server rejects what was in them.
type secret struct {
	authFile, tokenFile, headerFile string

	digest httpauth.Digest

	mu             sync.Mutex
	user, password string
	token          string
	header         http.Header
}

// newSecret reads c's files.
func newSecret(c *Config) (*secret, error) {
	if c.AuthFile != "" && c.TokenFile != "" {
		return nil, errors.New("push: either a user and password or a token, not both")
	}
	s := secretOf(c.URL)
	s.authFile, s.tokenFile, s.headerFile = c.AuthFile, c.TokenFile, c.HeaderFile
	secretfile.Warn(c.Log, c.AuthFile, c.TokenFile, c.HeaderFile)
	return s, s.read()
}

// secretOf returns the user and password of a URL.
func secretOf(text string) *secret {
	s := new(secret)
	if u, err := url.Parse(withoutPlaceholders.Replace(text)); err == nil && u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
	}
	return s
}

// read rereads the files. On an error nothing changes.
func (s *secret) read() error {
	user, password, token, header := "", "", "", http.Header(nil)
	if s.tokenFile != "" {
		lines, err := linesOf("token file", s.tokenFile)
		if err != nil {
			return err
		}
		if token = lines[0]; !httpguts.ValidHeaderFieldValue(token) {
			return fmt.Errorf("push: token file %s: its first line has invalid characters for a header", s.tokenFile)
		}
	}
	if s.authFile != "" {
		lines, err := linesOf("auth file", s.authFile)
		if err != nil {
			return err
		}
		var ok bool
		if user, password, ok = strings.Cut(lines[0], ":"); !ok || user == "" {
			return fmt.Errorf("push: auth file %s: its first line must be user:password", s.authFile)
		}
	}
	if s.headerFile != "" {
		lines, err := linesOf("header file", s.headerFile)
		if err != nil {
			return err
		}
		header = http.Header{}
		for _, line := range lines {
			name, value, err := ParseHeader(line)
			if err != nil { // does not quote the line, which is a secret
				return fmt.Errorf("push: header file %s: %w", s.headerFile, err)
			}
			header.Add(name, value)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token, s.header = token, header
	if s.authFile != "" {
		s.user, s.password = user, password
	}
	return nil
}

var errHeader = errors.New("a header is a name, a colon and a value, such as X-Room: cellar")

// ParseHeader splits a NAME: VALUE line. The error does not quote the line, which may be a secret.
func ParseHeader(line string) (name, value string, err error) {
	name, value, ok := strings.Cut(line, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
		return "", "", errHeader
	}
	return name, value, nil
}

// linesOf returns a file's lines, at least one, without empty lines and comments.
func linesOf(what, name string) (lines []string, err error) {
	text, err := secretfile.Text(name)
	if err != nil {
		return nil, fmt.Errorf("push: %s: %w", what, err)
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if lines == nil {
		return nil, fmt.Errorf("push: %s %s: nothing in it", what, name)
	}
	return lines, nil
}

// authorize sets the request's credential headers.
func (s *secret) authorize(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, values := range s.header {
		setHeader(r, name, values)
	}
	switch {
	case s.header.Get("Authorization") != "":
	case s.token != "":
		r.Header.Set("Authorization", "Bearer "+s.token)
	case s.user != "" && !s.digest.Authorize(r, s.user, s.password):
		r.SetBasicAuth(s.user, s.password)
	}
}

// challenged reads a reply's challenge, and reports whether to send the same request again: the server requires Digest
// authentication and sent a new challenge. Challenges of hosts other than the target's are ignored.
func (s *secret) challenged(t *target, reply *Reply) bool {
	if reply.StatusCode != http.StatusUnauthorized || reply.from == nil {
		return false
	}
	to, err := url.Parse(t.address(streamName))
	if err != nil || to.Hostname() != reply.from.Hostname() {
		return false
	}
	s.mu.Lock()
	known := s.user != "" && s.token == ""
	s.mu.Unlock()
	return known && s.digest.Learn(reply.Header)
}
