package stream_test

import (
	"crypto/tls"
	"os"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/maixstream/maixstream/server/web"
)

// Connections after a reload see the renewed certificate.
func TestReloadPresentsNewCertificate(t *testing.T) {
	cert, key := certificate(t)
	s, _ := serve(t, func(c *config) { c.TLSCert, c.TLSKey = cert, key })
	shown := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", address(s), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String() + string(conn.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
	}
	before := shown()
	newCert, newKey := certificate(t)
	for from, to := range map[string]string{newCert: cert, newKey: key} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if shown() != before {
		t.Error("wrong certificate before the reload")
	}
	if err := s.Reload(web.Config{TLSCert: cert, TLSKey: key}); err != nil {
		t.Fatal(err)
	}
	after := shown()
	if after == before {
		t.Error("still the old certificate")
	}
	if err := os.WriteFile(key, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]web.Config{
		"broken key": {TLSCert: cert, TLSKey: key},
		"no TLS":     {},
	} {
		if err := s.Reload(c); err == nil || shown() != after {
			t.Errorf("%s: error %v, and the certificate must stay", name, err)
		}
	}
}

func TestReloadAppliesFiles(t *testing.T) {
	s, _ := serve(t, nil)
	code := func(user, password string) int {
		t.Helper()
		r := request(t, "GET", s.URLs()[0]+"/state", "")
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		reply, _ := get(t, r)
		if reply.StatusCode == 200 && reply.Header.Get("Access-Control-Allow-Origin") != "https://page.example" && user != "" {
			t.Error("the new CORS origin is not sent")
		}
		return reply.StatusCode
	}
	if got := code("", ""); got != 200 {
		t.Fatalf("before: %d", got)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := write(t, "users", "anna:"+string(hash)+"\n")
	c := web.Config{AuthFile: users, CORS: "https://page.example", MaxClients: 7}
	if err := s.Reload(c); err != nil {
		t.Fatal(err)
	}
	if nobody, anna := code("", ""), code("anna", "right"); nobody != 401 || anna != 200 {
		t.Errorf("nobody %d, anna %d", nobody, anna)
	}
	if got := s.State().Server.MaxClients; got != 7 {
		t.Errorf("%d clients at most", got)
	}
	if err := os.WriteFile(users, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(c); err == nil {
		t.Error("an empty auth file was accepted")
	}
	if nobody, anna := code("", ""), code("anna", "right"); nobody != 401 || anna != 200 {
		t.Errorf("after a refused reload: nobody %d, anna %d", nobody, anna)
	}
}
