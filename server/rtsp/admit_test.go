package rtsp_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bluenviron/gortsplib/v5/pkg/base"

	"github.com/maixstream/maixstream/server/rtsp"
)

// dial opens an RTSP connection; ask sends a request on it and reads the reply.
func dial(t *testing.T, address string) (conn net.Conn, ask func(method, path string, header ...string) *base.Response) {
	t.Helper()
	return dialFrom(t, address, "127.0.0.1")
}

func dialFrom(t *testing.T, address, from string) (conn net.Conn, ask func(method, path string, header ...string) *base.Response) {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	replies, n := bufio.NewReader(conn), 0
	return conn, func(method, path string, header ...string) *base.Response {
		t.Helper()
		n++
		request := fmt.Sprintf("%s rtsp://%s%s RTSP/1.0\r\nCSeq: %d\r\n", method, address, path, n)
		for _, h := range header {
			request += h + "\r\n"
		}
		if _, err := conn.Write([]byte(request + "\r\n")); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		var reply base.Response
		if err := reply.Unmarshal(replies); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return &reply
	}
}

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestValidCredentialsInEveryForm(t *testing.T) {
	const token = "difference-engine"
	_, address := start(t, 64, 64, func(_, user, password, given string) bool {
		return user == "ada" && password == "a:b:c" || user == "jürgen" && password == "größe" || given == token
	})
	right := encoded("ada:a:b:c")
	for name, c := range map[string]struct {
		path    string
		headers []string
		want    base.StatusCode
	}{
		"password with colons":     {"/", []string{"Authorization: Basic " + right}, 200},
		"scheme in lower case":     {"/", []string{"Authorization: basic " + right}, 200},
		"scheme in upper case":     {"/", []string{"Authorization: BASIC " + right}, 200},
		"two spaces":               {"/", []string{"Authorization: Basic  " + right}, 200},
		"trailing spaces":          {"/", []string{"Authorization: Basic " + right + "  "}, 200},
		"no padding":               {"/", []string{"Authorization: Basic " + strings.TrimRight(right, "=")}, 200},
		"UTF-8":                    {"/", []string{"Authorization: Basic " + encoded("jürgen:größe")}, 200},
		"Latin-1":                  {"/", []string{"Authorization: Basic " + encoded("j\xfcrgen:gr\xf6\xdfe")}, 200},
		"bearer":                   {"/", []string{"Authorization: Bearer " + token}, 200},
		"token":                    {"/?token=" + token, nil, 200},
		"token and a proxy's user": {"/?token=" + token, []string{"Authorization: Basic " + encoded("proxy:secret")}, 200},
		"token and Digest":         {"/?token=" + token, []string{`Authorization: Digest username="ada", realm="x", nonce="y", uri="z", response="0"`}, 200},
		"right and wrong password": {"/", []string{"Authorization: Basic " + encoded("proxy:secret"), "Authorization: Basic " + right}, 200},
		"password, wrong token":    {"/?token=wrong", []string{"Authorization: Basic " + right}, 200},
		"part of the password":     {"/", []string{"Authorization: Basic " + encoded("ada:a")}, 401},
		"no colon":                 {"/", []string{"Authorization: Basic " + encoded("ada")}, 401},
		"not base64":               {"/", []string{"Authorization: Basic ada:a:b:c"}, 401},
		"scheme only":              {"/", []string{"Authorization: Basic"}, 401},
		"nothing":                  {"/", nil, 401},
	} {
		t.Run(name, func(t *testing.T) {
			_, ask := dial(t, address)
			reply := ask("DESCRIBE", c.path, c.headers...)
			if reply.StatusCode != c.want {
				t.Errorf("%d %s, want %d", reply.StatusCode, reply.StatusMessage, c.want)
			}
			if challenge := reply.Header["WWW-Authenticate"]; (len(challenge) == 1 && strings.HasPrefix(challenge[0], "Basic realm=")) != (c.want == 401) {
				t.Errorf("%d with challenge %q", reply.StatusCode, challenge)
			}
		})
	}
}

// Clients that start with Digest receive a challenge for Basic, and use the same connection.
func TestDigestIsChallengedForBasic(t *testing.T) {
	_, address := start(t, 64, 64, func(_, user, password, _ string) bool { return user == "ada" && password == "engine" })
	_, ask := dial(t, address)
	reply := ask("DESCRIBE", "/", `Authorization: Digest username="ada", realm="x", nonce="y", uri="rtsp://z/", response="0123456789abcdef0123456789abcdef"`)
	if challenge := reply.Header["WWW-Authenticate"]; reply.StatusCode != 401 || len(challenge) != 1 || !strings.HasPrefix(challenge[0], "Basic ") {
		t.Fatalf("%d %v", reply.StatusCode, reply.Header)
	}
	if reply := ask("DESCRIBE", "/", "Authorization: Basic "+encoded("ada:engine")); reply.StatusCode != 200 {
		t.Errorf("then Basic: %d", reply.StatusCode)
	}
}

func FuzzOffered(f *testing.F) {
	f.Add("Basic "+encoded("ada:a:b"), "Bearer x", "token=y")
	f.Add("basic  "+encoded("j\xfcrgen:x"), "", "")
	f.Add(`Digest username="a"`, "Basic", "%zz&token=&token=b")
	f.Fuzz(func(t *testing.T, first, second, query string) {
		list := rtsp.Offered([]string{first, second}, query)
		if len(list) == 0 || len(list) > 4 || list[len(list)-1] != [3]string{} {
			t.Fatalf("%q: want at most 3, then empty credentials", list)
		}
		for _, c := range list[:len(list)-1] {
			if (c[0] == "") == (c[2] == "") {
				t.Errorf("%q: want either a user or a token", c)
			}
			if c[0] != "" && (!utf8.ValidString(c[0]+c[1]) || strings.Contains(c[0], ":")) {
				t.Errorf("user %q, password %q", c[0], c[1])
			}
		}
	})
}

func FuzzBasicRoundTrip(f *testing.F) {
	f.Add("ada", "a:b:c", "basic", uint8(2))
	f.Add("jürgen", "größe ", "Basic", uint8(1))
	f.Fuzz(func(t *testing.T, user, password, scheme string, blanks uint8) {
		if user == "" || strings.Contains(user, ":") || !utf8.ValidString(user) || !utf8.ValidString(password) || !strings.EqualFold(scheme, "basic") {
			return
		}
		value := scheme + strings.Repeat(" ", 1+int(blanks%8)) + encoded(user+":"+password)
		if list := rtsp.Offered([]string{value}, ""); !slices.Contains(list, [3]string{user, password, ""}) {
			t.Errorf("%q: %q", value, list)
		}
	})
}
