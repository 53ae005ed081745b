package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// state is the part of /state used here.
type state struct {
	Version   string `json:"version"`
	Signal    bool   `json:"signal"`
	Reason    string `json:"reason"`
	Published uint64 `json:"published"`
}

// waitForFrames waits until /healthz is healthy, /state is the new version's, and its number of frames grows. If /state requires a password, /healthz alone
// must report frames. It uses the ssh connection: whether the port is reachable from here does not matter to the installation. It returns http or https.
func (b board) waitForFrames(ctx context.Context, limit time.Duration, address, version string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// With TLS, the certificate is for the name that viewers use; this connection ends on the board itself, within ssh.
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	transport.DialContext = func(ctx context.Context, _, to string) (net.Conn, error) {
		return b.ssh.DialContext(ctx, "tcp", to)
	}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	first, problem := state{}, errors.New("no answer yet")
	scheme := "http"
	for seen := false; ; {
		s, err := ask(ctx, client, scheme+"://"+address)
		switch {
		case errors.Is(err, errLocked):
			say("wait", "/healthz reports frames; the version is not checked because /state requires a password")
			return scheme, nil
		case errors.Is(err, errWantsTLS):
			scheme = "https"
		case err != nil:
			problem = err
			if n := b.ends(ctx); n >= enoughEnds {
				return "", fmt.Errorf("it ended %d times", n)
			}
		case !slices.Contains(strings.Fields(version), s.Version):
			problem = fmt.Errorf("version %s answers instead of %s", s.Version, version)
		case !s.Signal && s.Reason != "":
			problem = fmt.Errorf("no frames: %s", s.Reason)
		case !s.Signal || s.Published == 0:
			problem = errors.New("it answers, but has no frame yet")
		case !seen || s.Published < first.Published: // the program restarted in between
			seen, first = true, s
			problem = errors.New("no second frame after the first")
		case s.Published > first.Published:
			return scheme, nil
		}
		select {
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return "", errors.New("interrupted")
			}
			return "", fmt.Errorf("no frames within %v: %w", limit, problem)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// enoughEnds is how often a new version may end before it is given up: a camera just released by another program may cost a start.
const enoughEnds = 4

// ends returns how often the program has ended since the service started; 0 if unknown.
func (b board) ends(ctx context.Context) int {
	text, err := b.run(ctx, boardScript+" ends", nil)
	if err != nil {
		return 0 // the connection to the board is broken, which is reported elsewhere
	}
	n, _ := strconv.Atoi(text)
	return n
}

var (
	errLocked   = errors.New("requires a password")
	errWantsTLS = errors.New("requires TLS") // net/http's reply to plain HTTP
)

// ask reads /healthz and /state.
func ask(ctx context.Context, client *http.Client, base string) (state, error) {
	var s state
	var well string // the reply of /healthz
	for _, path := range []string{"/healthz", "/state"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return s, err
		}
		reply, err := client.Do(request)
		if err != nil {
			return s, fmt.Errorf("GET %s on the board: %w", path, err)
		}
		body, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
		reply.Body.Close()
		if err != nil {
			return s, fmt.Errorf("GET %s on the board: %w", path, err)
		}
		switch {
		case path == "/state" && reply.StatusCode == http.StatusUnauthorized && well != "ok":
			return s, fmt.Errorf("GET /healthz on the board: %s", well)
		case path == "/state" && reply.StatusCode == http.StatusUnauthorized:
			return s, errLocked
		case reply.StatusCode == http.StatusBadRequest && strings.Contains(string(body), "HTTPS server"):
			return s, errWantsTLS
		}
		if reply.StatusCode != http.StatusOK {
			return s, fmt.Errorf("GET %s on the board: %s %s", path, reply.Status, strings.TrimSpace(string(body)))
		}
		if path == "/healthz" {
			well = strings.TrimSpace(string(body))
		} else if err := json.Unmarshal(body, &s); err != nil {
			return s, fmt.Errorf("GET %s on the board: %w", path, err)
		}
	}
	return s, nil
}
