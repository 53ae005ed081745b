package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/crypto/bcrypt"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/web"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m).Run()) }

// certificate writes a key and a self-signed certificate.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return testenv.File(t, dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		testenv.File(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

func startLogged(t *testing.T, c web.Config) (*web.Server, *observer.ObservedLogs) {
	t.Helper()
	core, seen := observer.New(zap.WarnLevel)
	c.Log = zap.New(core)
	s, err := web.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s, seen
}

// A server that everybody can reach, without authentication, warns once; one on the loopback, or with a password, does not.
func TestOpenServerWarns(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("a long password"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, append([]byte("anna:"), hash...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		web.Config
		want int
	}{
		{"loopback", web.Config{Listen: []string{"127.0.0.1:0"}}, 0},
		{"everywhere, twice", web.Config{Listen: []string{"0.0.0.0:0", "0.0.0.0:0"}}, 1},
		{"everywhere, with a password", web.Config{Listen: []string{"0.0.0.0:0"}, AuthFile: users}, 0},
	} {
		if _, seen := startLogged(t, c.Config); seen.FilterMessageSnippet("no authentication: whoever can reach").Len() != c.want {
			t.Errorf("%s: %v", c.name, seen.All())
		}
	}
}

// Secret files readable by every user of the machine are named, at the start and at each reload.
func TestSecretFileWarnings(t *testing.T) {
	if runtime.GOOS == "windows" {
		testenv.Unable(t, "Windows has no modes")
	}
	dir := t.TempDir()
	tokens := testenv.File(t, dir, "tokens", "0123456789abcdef\n")
	cert, key := certificate(t, dir)
	if err := errors.Join(os.Chmod(tokens, 0o644), os.Chmod(key, 0o604)); err != nil {
		t.Fatal(err)
	}
	c := web.Config{Listen: []string{"127.0.0.1:0"}, TokenFile: tokens, TLSCert: cert, TLSKey: key}
	s, seen := startLogged(t, c)
	named := func() (names []string) {
		for _, e := range seen.TakeAll() {
			if strings.Contains(e.Message, "secret file") {
				names = append(names, filepath.Base(e.ContextMap()["file"].(string)))
			}
		}
		return names
	}
	if got := strings.Join(named(), " "); got != "tokens "+filepath.Base(key) {
		t.Errorf("at the start: %q", got)
	}
	for _, name := range []string{tokens, key} {
		if err := os.Chmod(name, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Reload(c); err != nil {
		t.Fatal(err)
	}
	if got := named(); len(got) != 0 {
		t.Errorf("restricted: %q", got)
	}
	if err := os.Chmod(tokens, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(c); err != nil {
		t.Fatal(err)
	}
	if got := named(); len(got) != 1 || got[0] != "tokens" {
		t.Errorf("open again: %q", got)
	}
}
