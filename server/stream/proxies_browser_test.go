package stream_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
)

// Behind common proxies the page is live and stays so, knows the state, changes settings, and is no longer a viewer after it was left.
func TestPageBehindProxies(t *testing.T) {
	testenv.Long(t, "starts a browser")
	b := startChromium(t)
	for name, proxy := range map[string]struct {
		file, text string // $LISTEN: host:port to serve at; $SERVER: upstream
		command    func(file string) *exec.Cmd
	}{
		"Caddy with encode": {
			"Caddyfile", "{\n\tadmin off\n\tauto_https off\n}\nhttp://$LISTEN {\n\tencode gzip\n\treverse_proxy $SERVER\n}\n",
			func(file string) *exec.Cmd {
				return exec.Command(testenv.Program(t, "caddy"), "run", "--config", file, "--adapter", "caddyfile")
			},
		},
		"nginx": {
			"nginx.conf", "daemon off;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n\taccess_log off;\n\tclient_body_temp_path t1;\n\tproxy_temp_path t2;\n\tfastcgi_temp_path t3;\n\tuwsgi_temp_path t4;\n\tscgi_temp_path t5;\n" +
				"\tserver {\n\t\tlisten $LISTEN;\n\t\tlocation / {\n\t\t\tproxy_pass http://$SERVER;\n\t\t\tproxy_set_header Host $http_host;\n\t\t\tproxy_http_version 1.1;\n\t\t}\n\t}\n}\n",
			func(file string) *exec.Cmd {
				return exec.Command(testenv.Program(t, "nginx", "/usr/sbin/nginx"), "-p", filepath.Dir(file), "-c", file)
			},
		},
		"HAProxy": {
			"haproxy.cfg", "defaults\n\tmode http\n\ttimeout connect 5s\n\ttimeout client 1m\n\ttimeout server 1m\nfrontend front\n\tbind $LISTEN\n\tdefault_backend back\nbackend back\n\tserver camera $SERVER\n",
			func(file string) *exec.Cmd {
				return exec.Command(testenv.Program(t, "haproxy", "/usr/sbin/haproxy"), "-f", file)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCamera(t, "testcard", 320, 240)
			s := c.show(t, "127.0.0.1:0", nil)
			listen := testenv.FreeAddress(t)
			file := filepath.Join(t.TempDir(), proxy.file)
			if err := os.WriteFile(file, []byte(strings.NewReplacer("$LISTEN", listen, "$SERVER", address(s)).Replace(proxy.text)), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := proxy.command(file)
			cmd.Dir = filepath.Dir(file)
			cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "XDG_DATA_HOME="+cmd.Dir, "XDG_CONFIG_HOME="+cmd.Dir)
			run(t, cmd)
			eventually(t, "the proxy answers", func() bool {
				out, err := exec.Command("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://"+listen+"/healthz").Output()
				return err == nil && string(out) == "200"
			})
			b.open(t, "http://"+listen+"/")
			wait(t, b, "the state is known", live+` && state && state.source.name === "testcard"`)
			for range 16 { // longer than the page waits for events
				if status := text(t, b, "live-text"); status != "Live" && !strings.HasPrefix(status, "Stalled") {
					t.Fatalf("pictures arrive, but the status is %q", status)
				}
				time.Sleep(400 * time.Millisecond)
			}
			b.eval(t, `(() => { const e = document.getElementById("quality"); e.value = 36; e.dispatchEvent(new Event("input")) })()`)
			eventually(t, "a change", func() bool { return c.State().Settings.Quality == 36 })
			t.Logf("events: %s, state %s ms ago", b.eval(t, "events && events.readyState"), b.eval(t, "Math.round(now() - heard)"))
			b.open(t, "about:blank")
			eventually(t, "no viewers", func() bool { return s.State().Server.Viewers == 0 })
		})
	}
}
