package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/maixstream/maixstream/hw/sg2002"
	"github.com/maixstream/maixstream/internal/doctor"
)

// serviceScript is installed on a board by make flash.
const serviceScript = "/etc/init.d/S99maixstream"

// serviceCheck checks whether the maixstream service is installed, runs and delivers frames. ok is false on machines without such
// services.
func serviceCheck(ctx context.Context) (c doctor.Check, ok bool) {
	c = doctor.Check{Name: "service", Status: doctor.OK}
	script := sg2002.Root(serviceScript)
	_, err := os.Stat(script)
	if err != nil && sg2002.OnBoard() { // the virtual board has its own service, and its camera's files are elsewhere
		script = serviceScript
		_, err = os.Stat(script)
	}
	if err != nil {
		c.Status, c.Found = doctor.Note, "maixstream is not installed as a service"
		c.Remedy = "to start it at boot, run make flash HOST=… on a PC"
		return c, sg2002.OnBoard()
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	log := "its log says why it ended: " + serviceScript + " log; then " + serviceScript + " start"
	said, err := exec.CommandContext(ctx, script, "status").CombinedOutput()
	if err != nil {
		c.Status, c.Found, c.Remedy = doctor.Wrong, "installed but not running:  "+oneLine(said), log
		return c, true
	}
	c.Found = oneLine(said)
	listens, err := exec.CommandContext(ctx, script, "address").Output()
	if err != nil {
		c.Status, c.Found = doctor.Note, c.Found+"; its address is unknown"
		return c, true
	}
	address := oneLine(listens)
	state, err := askState(ctx, address)
	switch {
	case err != nil:
		c.Status, c.Remedy = doctor.Wrong, "it may still be starting: try again in a few seconds; "+log
		c.Found += fmt.Sprintf("; but no answer at %s: %v", address, err)
	case state == nil:
		c.Found += fmt.Sprintf("; answers at %s, which requires a password", address)
	case !state.Signal:
		c.Status, c.Remedy = doctor.Wrong, "see the lines above; full log: "+serviceScript+" log"
		c.Found += "; but no pictures: " + state.Reason
	default:
		c.Found += fmt.Sprintf("; %.1f fps of %dx%d, %d viewers, at %s", state.FPS, state.Newest.Width, state.Newest.Height, state.Server.Viewers, address)
	}
	return c, true
}

// serviceState is the part of /state used here.
type serviceState struct {
	Signal bool    `json:"signal"`
	Reason string  `json:"reason"`
	FPS    float64 `json:"fps"`
	Newest struct {
		Width  int `json:"width"`
		Height int `json:"height"`
	} `json:"newest"`
	Server struct {
		Viewers int `json:"viewers"`
	} `json:"server"`
}

// askState reads /state of a service on this machine. It returns nil if the service requires a password.
func askState(ctx context.Context, address string) (*serviceState, error) {
	// The certificate is for the name that viewers use; this connection does not leave the machine.
	transport := &http.Transport{DisableKeepAlives: true}
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the loopback, see above
	client := &http.Client{Transport: transport, Timeout: 3 * time.Second}
	for _, scheme := range []string{"http", "https"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/state", nil)
		if err != nil {
			return nil, err
		}
		reply, err := client.Do(request)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
		reply.Body.Close()
		switch {
		case err != nil:
			return nil, err
		case reply.StatusCode == http.StatusBadRequest && strings.Contains(string(body), "HTTPS server"): // net/http's reply to plain HTTP
			continue
		case reply.StatusCode == http.StatusUnauthorized:
			return nil, nil
		case reply.StatusCode != http.StatusOK:
			return nil, fmt.Errorf("/state: %s", reply.Status)
		}
		var state serviceState
		if err := json.Unmarshal(body, &state); err != nil {
			return nil, fmt.Errorf("/state: %w", err)
		}
		return &state, nil
	}
	return nil, fmt.Errorf("/state: neither HTTP nor HTTPS")
}

func oneLine(text []byte) string { return strings.Join(strings.Fields(string(text)), " ") }
