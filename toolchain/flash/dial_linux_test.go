package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// sshServer stands in for a board's: it only accepts logins with this password. tries counts the passwords received.
func sshServer(t *testing.T, password string) (o options, tries *atomic.Int32) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	tries = new(atomic.Int32)
	config := &ssh.ServerConfig{PasswordCallback: func(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
		tries.Add(1)
		if string(given) != password {
			return nil, errors.New("wrong")
		}
		return nil, nil
	}}
	config.AddHostKey(key)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if c, channels, requests, err := ssh.NewServerConn(conn, config); err == nil {
					go ssh.DiscardRequests(requests)
					go func() {
						for channel := range channels {
							_ = channel.Reject(ssh.Prohibited, "")
						}
					}()
					_ = c.Wait()
				}
			}()
		}
	}()
	// Nothing from the user who runs this test: no keys, agent or terminal.
	t.Setenv("HOME", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
	setStdin(t, os.DevNull)
	return options{host: "127.0.0.1", port: listener.Addr().(*net.TCPAddr).Port, user: "root", knownHosts: filepath.Join(t.TempDir(), "maixstream", "known_hosts")}, tries
}

func setStdin(t *testing.T, name string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdin
	os.Stdin = file
	t.Cleanup(func() { os.Stdin = before; file.Close() })
}

func logIn(t *testing.T, o options) error {
	client, err := dial(t.Context(), o)
	if err == nil {
		client.Close()
	}
	return err
}

func TestLoginByFactoryOrGivenPassword(t *testing.T) {
	o, _ := sshServer(t, "root")
	if err := logIn(t, o); err != nil {
		t.Errorf("the factory's: %v", err)
	}
	o, _ = sshServer(t, "mine, with spaces")
	o.passwordFile = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(o.passwordFile, []byte("mine, with spaces\r\nnot this\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := logIn(t, o); err != nil {
		t.Errorf("from a file: %v", err)
	}
	o.passwordFile = ""
	t.Setenv("MAIXSTREAM_PASSWORD", "mine, with spaces")
	if err := logIn(t, o); err != nil {
		t.Errorf("from the environment: %v", err)
	}
}

func TestWrongPasswordErrorNamesTheSettings(t *testing.T) {
	o, tries := sshServer(t, "another")
	err := logIn(t, o)
	if err == nil || !strings.Contains(err.Error(), "PASSWORD_FILE=FILE") || !strings.Contains(err.Error(), "log in as root at 127.0.0.1:") {
		t.Errorf("%v", err)
	}
	t.Setenv("MAIXSTREAM_PASSWORD", "secret-but-wrong")
	if err = logIn(t, o); err == nil || strings.Contains(err.Error(), "secret-but-wrong") {
		t.Errorf("%v", err)
	}
	if n := tries.Load(); n != 2 {
		t.Errorf("%d passwords were tried, not the factory's and then the given one", n)
	}
}

// A password must not go to an impostor.
func TestChangedHostKeyIsRefusedBeforeThePassword(t *testing.T) {
	first, _ := sshServer(t, "root")
	if err := logIn(t, first); err != nil {
		t.Fatal(err)
	}
	if err := logIn(t, first); err != nil {
		t.Errorf("the second visit: %v", err)
	}
	second, tries := sshServer(t, "root")
	second.knownHosts = first.knownHosts
	known, err := os.ReadFile(first.knownHosts)
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.ReplaceAll(string(known), fmt.Sprintf("]:%d ", first.port), fmt.Sprintf("]:%d ", second.port))
	if err := os.WriteFile(first.knownHosts, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := logIn(t, second); err == nil || !strings.Contains(err.Error(), "not the one remembered in "+first.knownHosts+", line 1") {
		t.Errorf("%v", err)
	}
	if tries.Load() != 0 {
		t.Error("it was shown the password")
	}
}

func TestUnreachableBoard(t *testing.T) {
	o, _ := sshServer(t, "root")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.port = listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	if err := logIn(t, o); err == nil || !strings.Contains(err.Error(), "is the board on") {
		t.Errorf("%v", err)
	}
	o.host = "maixcam-0000.invalid"
	if err := logIn(t, o); err == nil || !strings.Contains(err.Error(), "the address on the board's screen") {
		t.Errorf("%v", err)
	}
}

func TestInterruptEndsThePasswordsPrompt(t *testing.T) {
	o, tries := sshServer(t, "another")
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		testenv.Unable(t, err.Error())
	}
	defer control.Close()
	number, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	setStdin(t, fmt.Sprintf("/dev/pts/%d", number))
	echo := func() bool {
		settings, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return settings.Lflag&unix.ECHO != 0
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan error, 1)
	go func() {
		_, err := dial(ctx, o)
		ended <- err
	}()
	for tries.Load() == 0 || echo() { // the factory password, and then the prompt
		select {
		case err := <-ended:
			t.Fatalf("it ended without a question: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	interrupt()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("%v", err)
	}
	if !echo() {
		t.Error("the terminal was left without an echo")
	}
	_, _ = control.WriteString("\n") // the read ends
}
