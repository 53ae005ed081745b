package push

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// secret is how a request shows who sends it: a user and password, or a token, each out of a file, so that no other user sees it in a list of
// processes. The files are read again when the server says that what is in them is not right.
type secret struct {
	authFile, tokenFile string

	mu             sync.Mutex
	user, password string
	token          string
}

// newSecret reads the files; nil without files.
func newSecret(authFile, tokenFile string) (*secret, error) {
	switch {
	case authFile == "" && tokenFile == "":
		return nil, nil
	case authFile != "" && tokenFile != "":
		return nil, errors.New("push: a user and password, or a token: not both")
	}
	s := &secret{authFile: authFile, tokenFile: tokenFile}
	return s, s.read()
}

// read reads the files again.
func (s *secret) read() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokenFile != "" {
		token, err := firstLine(s.tokenFile)
		if err != nil {
			return fmt.Errorf("push: token file: %w", err)
		}
		if !httpguts.ValidHeaderFieldValue(token) {
			return fmt.Errorf("push: token file %s: its first line has characters that a header cannot have", s.tokenFile)
		}
		s.token = token
		return nil
	}
	line, err := firstLine(s.authFile)
	if err != nil {
		return fmt.Errorf("push: auth file: %w", err)
	}
	user, password, ok := strings.Cut(line, ":")
	if !ok || user == "" {
		return fmt.Errorf("push: auth file %s: its first line must be user:password", s.authFile)
	}
	s.user, s.password = user, password
	return nil
}

// firstLine returns the first line of a file that is not empty and no comment.
func firstLine(name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line, nil
		}
	}
	return "", fmt.Errorf("%s: nothing in it", name)
}

func (s *secret) authorize(r *http.Request) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokenFile != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
		return
	}
	r.SetBasicAuth(s.user, s.password)
}
