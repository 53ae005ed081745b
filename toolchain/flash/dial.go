package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/term"
)

// factoryPassword is every MaixCAM image's default; it is tried before prompting.
const factoryPassword = "root"

// dial logs in. The board's host key is remembered on the first visit and must never change.
func dial(ctx context.Context, o options) (*ssh.Client, error) {
	address := net.JoinHostPort(o.host, strconv.Itoa(o.port))
	check, err := hostKeys(o.knownHosts)
	if err != nil {
		return nil, err
	}
	methods, err := logins(ctx, o)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: 15 * time.Second, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) {
			return nil, fmt.Errorf("connect to %s: %w (no mDNS here? use the address on the board's screen)", o.host, err)
		}
		return nil, fmt.Errorf("connect to %s: %w (is the board on, and ssh enabled in its settings?)", address, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute)) // for the entire login, including a typed password
	c, channels, requests, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{User: o.user, Auth: methods, HostKeyCallback: check})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("log in as %s at %s: %w", o.user, address, err)
	}
	_ = conn.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// hostKeys checks a board's key against file, adding unknown boards.
func hostKeys(file string) (ssh.HostKeyCallback, error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("remember boards' keys: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("remember boards' keys: %w", err)
	}
	f.Close()
	known, err := knownhosts.New(file)
	if err != nil {
		return nil, fmt.Errorf("read boards' keys: %w", err)
	}
	return func(host string, remote net.Addr, key ssh.PublicKey) error {
		err := known(host, remote, key)
		var problem *knownhosts.KeyError
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &problem):
			return err
		case len(problem.Want) > 0:
			return fmt.Errorf("the board's key is not the one remembered in %s, line %d: another board, a new image, or somebody in between; if it is yours, delete that line",
				file, problem.Want[0].Line)
		}
		fmt.Printf("flash: first visit to %s: remembering its key %s\n", host, ssh.FingerprintSHA256(key))
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("remember the board's key: %w", err)
		}
		_, err = fmt.Fprintln(f, knownhosts.Line([]string{knownhosts.Normalize(host)}, key))
		return errors.Join(err, f.Close())
	}, nil
}

// logins returns the login methods in the order of trying: keys, the given password, the factory's, the user's input.
func logins(ctx context.Context, o options) ([]ssh.AuthMethod, error) {
	var methods []ssh.AuthMethod
	signers, err := signers(o.key)
	if err != nil {
		return nil, err
	}
	if signers != nil {
		methods = append(methods, ssh.PublicKeysCallback(signers))
	}
	var passwords []string
	if p, ok := os.LookupEnv("MAIXSTREAM_PASSWORD"); ok {
		passwords = append(passwords, p)
	}
	if o.passwordFile != "" {
		text, err := os.ReadFile(o.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("read password: %w", err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		passwords = append(passwords, strings.TrimSuffix(first, "\r"))
	}
	if len(passwords) == 0 {
		passwords = append(passwords, factoryPassword)
	}
	tries := len(passwords) + 2
	next := func() (string, error) {
		if len(passwords) > 0 {
			p := passwords[0]
			passwords = passwords[1:]
			return p, nil
		}
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			if o.key != "" {
				return "", fmt.Errorf("the board does not accept the key %s (install it with ssh-copy-id), and no valid password is known: PASSWORD_FILE=FILE or "+
					"MAIXSTREAM_PASSWORD in the environment", o.key)
			}
			return "", errors.New("no valid password: set PASSWORD_FILE=FILE, MAIXSTREAM_PASSWORD in the environment, or a key with KEY=FILE")
		}
		return askPassword(ctx, fmt.Sprintf("password of %s at %s: ", o.user, o.host))
	}
	return append(methods, ssh.RetryableAuthMethod(ssh.PasswordCallback(next), tries)), nil
}

// askPassword prompts on the terminal, without echo. An interrupt ends it immediately and restores the terminal.
func askPassword(ctx context.Context, prompt string) (string, error) {
	fd := int(os.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("ask for the password: %w", err)
	}
	var text []byte
	answered := make(chan error, 1)
	fmt.Print(prompt)
	go func() {
		var err error
		text, err = term.ReadPassword(fd)
		answered <- err
	}()
	select {
	case err = <-answered:
	case <-ctx.Done(): // the read continues, and ends with the process
		fmt.Println()
		return "", errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
	fmt.Println()
	return string(text), err
}

// signers returns the private keys to try: the given file's, or the agent's and the user's default files; nil if there are none.
func signers(file string) (func() ([]ssh.Signer, error), error) {
	if file != "" {
		signer, err := readKey(file)
		if err != nil {
			return nil, fmt.Errorf("read key %s: %w", file, err)
		}
		return func() ([]ssh.Signer, error) { return []ssh.Signer{signer}, nil }, nil
	}
	var found []ssh.Signer
	if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
		if conn, err := net.Dial("unix", socket); err == nil {
			if keys, err := agent.NewClient(conn).Signers(); err == nil {
				found = append(found, keys...)
			}
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		for _, name := range []string{"id_ed25519", "id_rsa"} {
			// A key with a passphrase belongs in the agent; don't prompt for it here.
			if signer, err := readKey(filepath.Join(home, ".ssh", name)); err == nil {
				found = append(found, signer)
			}
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	return func() ([]ssh.Signer, error) { return found, nil }, nil
}

func readKey(file string) (ssh.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return nil, errors.New("it has a passphrase: add it to the ssh agent (ssh-add) and omit KEY")
	}
	return signer, err
}
