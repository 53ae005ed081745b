//go:build recipes

package recipes_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"image/jpeg"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// prusa is Prusa Connect's camera interface (connect.prusa3d.com/docs/cameras): a picture by PUT, with headers that identify the camera; replies 204.
type prusa struct {
	token, fingerprint string

	mu       sync.Mutex
	pictures int
	refused  []string
	busy     bool // the next request is answered with Retry-After
}

func (p *prusa) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	refuse := func(code int, why string) {
		p.refused = append(p.refused, fmt.Sprintf("%d %s", code, why))
		http.Error(w, why, code)
	}
	kind := r.Header.Get("Content-Type")
	switch {
	case err != nil:
		return
	case r.URL.Path != "/c/snapshot":
		refuse(http.StatusNotFound, r.URL.Path)
	case r.Method != http.MethodPut:
		refuse(http.StatusMethodNotAllowed, r.Method)
	case r.Header.Get("Token") != p.token:
		refuse(http.StatusForbidden, "token")
	case len(r.Header.Get("Fingerprint")) < 16 || len(r.Header.Get("Fingerprint")) > 64 || r.Header.Get("Fingerprint") != p.fingerprint:
		refuse(http.StatusBadRequest, "fingerprint")
	case kind != "image/jpg" && kind != "image/jpeg" || r.ContentLength != int64(len(body)) || len(body) > 16<<20:
		refuse(http.StatusBadRequest, "not a picture: "+kind)
	case p.busy:
		p.busy = false
		w.Header().Set("Retry-After", "1")
		http.Error(w, "later", http.StatusServiceUnavailable)
	default:
		if _, err := jpeg.DecodeConfig(bytes.NewReader(body)); err != nil {
			refuse(http.StatusBadRequest, err.Error())
			return
		}
		p.pictures++
		w.WriteHeader(http.StatusNoContent)
	}
}

func (p *prusa) taken() (int, []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pictures, p.refused
}

// servePrusa replaces connect.prusa3d.com on "the PC" (toolchain/recipes/network.sh), with a certificate that is trusted there.
func servePrusa(t *testing.T, p *prusa) {
	t.Helper()
	l, err := net.Listen("tcp", "10.77.0.1:443")
	if err != nil {
		t.Fatal(err)
	}
	pair := certificateFor(t, "connect.prusa3d.com")
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: p}, TLS: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	s.StartTLS()
	t.Cleanup(s.Close)
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", trusted)
}

func certificateFor(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
