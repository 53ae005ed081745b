// Package discover makes a stream found by itself on the local network (mDNS and DNS-SD, RFC 6762 and 6763), and finds those of others.
package discover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/brutella/dnssd"
	"github.com/brutella/dnssd/log"
)

// Service types, as registered with IANA.
const (
	HTTP = "_http._tcp"
	RTSP = "_rtsp._tcp"
)

// mark is the TXT key that tells our services from the many others of the same types.
const mark = "maixstream"

// Service is one thing that answers.
type Service struct {
	Type    string // HTTP or RTSP
	Name    string // as people see it in a list; "": the host's name
	Port    int
	TLS     bool   // https or rtsps
	Version string // of the program
}

// Announce tells the local network of services until ctx ends. It returns when they are withdrawn: nil, or why it could not.
func Announce(ctx context.Context, services ...Service) error {
	quiet()
	responder, err := dnssd.NewResponder()
	if err != nil {
		return fmt.Errorf("announce on the network: %w", err)
	}
	for _, s := range services {
		if s.Name == "" {
			s.Name = hostName()
		}
		text := map[string]string{mark: s.Version, "path": "/"}
		if s.TLS {
			text["tls"] = "1"
		}
		service, err := dnssd.NewService(dnssd.Config{Name: s.Name, Type: s.Type, Port: s.Port, Text: text})
		if err == nil {
			_, err = responder.Add(service)
		}
		if err != nil {
			return fmt.Errorf("announce %s %q on the network: %w", s.Type, s.Name, err)
		}
	}
	if err := responder.Respond(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("announce on the network: %w", err)
	}
	return nil
}

// quiet stops dnssd from writing its remarks on other hosts' messages to standard output. What fails it returns.
func quiet() { log.Info.SetOutput(io.Discard) }

// hostName is the host's name without its domain: "maixcam-1a2b".
func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return mark
	}
	name, _, _ = strings.Cut(name, ".")
	return name
}

// Found is a service that answered.
type Found struct {
	Name    string
	Host    string // name in the .local domain
	URLs    []string
	Version string
}

// Find asks the local network and returns what answered until ctx ended, sorted by name.
func Find(ctx context.Context) ([]Found, error) {
	quiet()
	var (
		mu     sync.Mutex
		found  = map[string]*Found{}
		wait   sync.WaitGroup
		errs   []error
		scheme = map[string]string{HTTP: "http", RTSP: "rtsp"}
	)
	for _, kind := range []string{HTTP, RTSP} {
		add := func(e dnssd.BrowseEntry) {
			version, ours := e.Text[mark]
			if !ours {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			key := e.Host + "\x00" + e.Name
			f := found[key]
			if f == nil {
				f = &Found{Name: e.Name, Host: e.Host + ".local", Version: version}
				found[key] = f
			}
			s := scheme[kind]
			if e.Text["tls"] != "" {
				s += "s"
			}
			for _, ip := range e.IPs {
				if url := address(s, ip, e.IfaceName, e.Port); !slices.Contains(f.URLs, url) {
					f.URLs = append(f.URLs, url)
				}
			}
			sort.Strings(f.URLs)
		}
		wait.Go(func() {
			err := dnssd.LookupType(ctx, kind+".local.", add, func(dnssd.BrowseEntry) {})
			if err != nil && ctx.Err() == nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("look for %s on the network: %w", kind, err))
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	var list []Found
	for _, f := range found {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b Found) int { return strings.Compare(a.Name+a.Host, b.Name+b.Host) })
	return list, errors.Join(errs...)
}

// address writes a URL; a link-local IPv6 address means something only with the interface that it was seen at.
func address(scheme string, ip net.IP, iface string, port int) string {
	host := ip.String()
	if ip.To4() == nil && ip.IsLinkLocalUnicast() && iface != "" {
		host += "%25" + iface // RFC 6874
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + host + ":" + strconv.Itoa(port) + "/"
}
