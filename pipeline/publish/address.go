package publish

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/maixstream/maixstream/internal/secretfile"
)

// filePrefix begins an address that stands in a file.
const filePrefix = "file:"

// defaultPorts are those of the protocols, and which they are.
var defaultPorts = map[string]string{"rtmp": "1935", "rtmps": "443", "rtsp": "554", "rtsps": "322"}

// hidden stands for a secret that is not shown.
const hidden = "..."

// target is a server and what is to be published there.
type target struct {
	url     *url.URL // of RTMP: with the application alone
	key     string   // of RTMP: the stream key
	shown   string   // without secrets
	secrets []string // what must not be shown, the longest first
}

// SecretFile returns the file that an address names, "" for one that is no file's.
func SecretFile(address string) string {
	path, ok := strings.CutPrefix(address, filePrefix)
	if !ok {
		return ""
	}
	return strings.TrimPrefix(path, "//")
}

// Shown returns an address as it may be shown: without a stream key, a password, or a query.
func Shown(address string) string {
	if SecretFile(address) != "" {
		return address
	}
	t, err := parse(address, "")
	if err != nil {
		return "(an address that cannot be read)"
	}
	return t.shown
}

// Check reports an address at which nothing can be published, or a file that it cannot be read from. The error has no secrets in it.
func Check(address string) error {
	_, err := find(address)
	return err
}

// find reads an address, or the file that it names.
func find(address string) (*target, error) {
	path := SecretFile(address)
	if path == "" {
		if strings.HasPrefix(address, filePrefix) {
			return nil, errors.New("publish: file: names no file: want file:PATH")
		}
		t, err := parse(address, "")
		if err != nil {
			return nil, fmt.Errorf("publish: %w", err)
		}
		return t, nil
	}
	text, err := secretfile.Text(path)
	if err != nil {
		return nil, fmt.Errorf("publish: address file: %w", err)
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	var t *target
	switch len(lines) {
	case 0:
		err = errors.New("nothing in it")
	case 1:
		t, err = parse(lines[0], "")
	case 2:
		t, err = parse(lines[0], lines[1])
	default:
		err = errors.New("want one line, the address, or two, the server and the stream key")
	}
	if err != nil {
		return nil, fmt.Errorf("publish: address file %s: %w", path, err)
	}
	return t, nil
}

var errForm = errors.New("not an address: want rtmp://HOST/APP/KEY, rtmps://HOST/APP/KEY, rtsp://HOST/PATH or rtsps://HOST/PATH")

// parse reads an address and a stream key that stands apart from it. Errors don't repeat them.
func parse(text, key string) (*target, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return nil, errForm
	}
	switch {
	case defaultPorts[u.Scheme] == "":
		return nil, fmt.Errorf("%s is not supported: an address begins with rtmp://, rtmps://, rtsp:// or rtsps://", u.Scheme)
	case u.Hostname() == "":
		return nil, errForm
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, errors.New("an address must not have a #")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("port %s: want a number from 1 to 65535", port)
		}
	}
	t := &target{url: u}
	if u.Scheme == "rtmp" || u.Scheme == "rtmps" {
		err = t.parseRTMP(key)
	} else {
		err = t.parseRTSP(key)
	}
	if err != nil {
		return nil, err
	}
	for _, values := range u.Query() {
		t.secrets = append(t.secrets, values...)
	}
	for _, pair := range strings.Split(u.RawQuery, "&") { // as it goes over the line
		_, value, _ := strings.Cut(pair, "=")
		t.secrets = append(t.secrets, value)
	}
	t.secrets = slices.DeleteFunc(t.secrets, func(s string) bool { return s == "" })
	slices.SortFunc(t.secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return t, nil
}

// parseRTMP splits the application from the stream key, which has the query, as platforms hand it out.
func (t *target) parseRTMP(key string) error {
	u := t.url
	if u.User != nil {
		return errors.New("RTMP has no user and password in the address: servers take them in the stream key (KEY?user=NAME&pass=PASSWORD)")
	}
	path := strings.TrimPrefix(u.EscapedPath(), "/")
	app := path
	if key == "" {
		last := strings.LastIndexByte(path, '/')
		if last <= 0 {
			return errors.New("no stream key: want " + u.Scheme + "://HOST/APP/KEY")
		}
		app, key = path[:last], path[last+1:]
		if u.RawQuery != "" {
			key += "?" + u.RawQuery
			for _, values := range u.Query() {
				t.secrets = append(t.secrets, values...)
			}
		}
	} else {
		app = strings.TrimSuffix(app, "/")
	}
	if app == "" {
		return errors.New("no application: want " + u.Scheme + "://HOST/APP/KEY")
	}
	plain, query, _ := strings.Cut(key, "?")
	t.secrets = append(t.secrets, key, plain)
	for _, pair := range strings.Split(query, "&") {
		_, value, _ := strings.Cut(pair, "=")
		t.secrets = append(t.secrets, value)
	}
	if unescaped, err := url.PathUnescape(plain); err == nil {
		t.secrets = append(t.secrets, unescaped)
	}
	t.key = key
	rest := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}
	rest = rest.JoinPath(app)
	if u.RawQuery != "" && !strings.HasSuffix(key, "?"+u.RawQuery) {
		rest.RawQuery = u.RawQuery
	}
	t.url = rest
	t.shown = rest.Scheme + "://" + rest.Host + rest.EscapedPath() + "/"
	if key != "" {
		t.shown += hidden
	}
	return nil
}

func (t *target) parseRTSP(key string) error {
	u := t.url
	switch {
	case key != "":
		return errors.New("a stream key belongs to RTMP: the path of an RTSP address says where it goes")
	case strings.Trim(u.Path, "/") == "":
		return errors.New("no path: want " + u.Scheme + "://HOST/PATH")
	}
	if password, ok := u.User.Password(); ok {
		_, escaped, _ := strings.Cut(u.User.String(), ":")
		t.secrets = append(t.secrets, password, escaped)
	}
	shown := *u
	if shown.RawQuery != "" {
		shown.RawQuery = hidden
	}
	t.shown = shown.Redacted()
	return nil
}

// secure reports whether the connection is encrypted.
func (t *target) secure() bool { return strings.HasSuffix(t.url.Scheme, "s") }

// address is the host and port to connect to.
func (t *target) address() string {
	return net.JoinHostPort(t.url.Hostname(), cmp.Or(t.url.Port(), defaultPorts[t.url.Scheme]))
}

// scrub takes the secrets out of a text. One that is short, as a stream's name can be, counts where it is a word of its own.
func (t *target) scrub(text string) string {
	const long = 8
	for _, secret := range t.secrets {
		if len(secret) >= long {
			text = strings.ReplaceAll(text, secret, hidden)
		} else {
			text = replaceWord(text, secret, hidden)
		}
	}
	return text
}

// replaceWord replaces a word where no letter or digit is beside it.
func replaceWord(text, word, with string) string {
	var to strings.Builder
	before := rune(' ')
	for text != "" {
		if rest, ok := strings.CutPrefix(text, word); ok && !isWord(before) {
			if after, _ := utf8.DecodeRuneInString(rest); rest == "" || !isWord(after) {
				to.WriteString(with)
				text, before = rest, ' '
				continue
			}
		}
		r, n := utf8.DecodeRuneInString(text)
		to.WriteString(text[:n])
		text, before = text[n:], r
	}
	return to.String()
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }
