package rtsp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/rtsp"
)

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "camera"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func TestRTSPS(t *testing.T) {
	s, _, address := startServer(t, rtsp.Config{
		TLS: certificate(t), Allow: func(_, user, password, _ string) bool { return user == "ada" && password == "engine" },
	}, picture(t, 64, 48, 1))
	out, err := ffmpeg(t, "-rtsp_transport", "tcp", "-i", "rtsps://ada:engine@"+address+"/", "-frames:v", "3", "-f", "null", "-")
	if err != nil || !strings.Contains(out, "frame=    3") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := ffmpeg(t, "-rtsp_transport", "tcp", "-i", "rtsp://ada:engine@"+address+"/", "-frames:v", "1", "-f", "null", "-"); err == nil {
		t.Errorf("served without TLS, too:\n%s", out)
	}
	if !s.State().TLS {
		t.Errorf("%+v", s.State())
	}
}

// The deadline for the first request includes the handshake.
func TestSilentRTSPSConnectionIsClosed(t *testing.T) {
	s, _, address := startServer(t, rtsp.Config{TLS: certificate(t), FirstRequest: 200 * time.Millisecond}, picture(t, 64, 48, 1))
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	testenv.Eventually(t, "the connection is counted", func() bool { return s.State().Connections == 1 })
	testenv.Eventually(t, "the connection is closed", func() bool { return s.State().Connections == 0 })
}
