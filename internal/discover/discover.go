// Package discover announces streams on the local network by mDNS and DNS-SD (RFC 6762 and 6763), and finds announced ones.
package discover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/brutella/dnssd"
	"github.com/brutella/dnssd/log"
)

// Service types, as registered with IANA.
const (
	HTTP = "_http._tcp"
	RTSP = "_rtsp._tcp"
)

// mark is the TXT key that distinguishes our services from others of the same types.
const mark = "maixstream"

// Service is one announced service.
type Service struct {
	Type    string // HTTP or RTSP
	Name    string // as shown in lists; "": the host's name
	Port    int
	TLS     bool   // https or rtsps
	Version string // of the program
}

// quiet keeps dnssd from printing other hosts' malformed messages to standard output; it returns what matters as errors.
func quiet() { log.Info.SetOutput(io.Discard) }

// HostName returns the host's name without its domain: "maixcam-1a2b".
func HostName() string {
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

// askEvery is the interval between queries: a query or its answer may be lost, and a network may come up meanwhile.
const askEvery = time.Second

// Find queries the local network until ctx is done and returns the services that answered, sorted by name.
func Find(ctx context.Context) ([]Found, error) {
	quiet()
	var (
		asking sync.WaitGroup
		all    finds
		errs   [2]error
	)
	for i, kind := range []string{HTTP, RTSP} {
		asking.Go(func() { errs[i] = all.ask(ctx, kind) })
	}
	asking.Wait()
	return all.sorted(), errors.Join(errs[:]...)
}

// finds collects the services that have answered so far.
type finds struct {
	mu   sync.Mutex
	list map[string]*Found
}

// ask queries for one type of service until ctx is done. It returns the last error if every attempt failed.
func (f *finds) ask(ctx context.Context, kind string) (last error) {
	asked := false
	for ctx.Err() == nil {
		turn, cancel := context.WithTimeout(ctx, askEvery)
		err := dnssd.LookupType(turn, kind+".local.", func(e dnssd.BrowseEntry) { f.add(kind, &e) }, func(dnssd.BrowseEntry) {})
		if turn.Err() == nil && err != nil {
			last = fmt.Errorf("look for %s on the network: %w", kind, err)
		} else {
			asked = true
		}
		<-turn.Done()
		cancel()
	}
	if asked {
		return nil
	}
	return last
}

func (f *finds) add(kind string, e *dnssd.BrowseEntry) {
	version, ours := e.Text[mark]
	if !ours {
		return
	}
	scheme := "http"
	if kind == RTSP {
		scheme = "rtsp"
	}
	if e.Text["tls"] != "" {
		scheme += "s"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.list == nil {
		f.list = map[string]*Found{}
	}
	key := e.Host + "\x00" + e.Name
	found := f.list[key]
	if found == nil {
		found = &Found{Name: e.Name, Host: e.Host + ".local", Version: version}
		f.list[key] = found
	}
	for _, ip := range e.IPs {
		if url := address(scheme, ip, e.IfaceName, e.Port); !slices.Contains(found.URLs, url) {
			found.URLs = append(found.URLs, url)
		}
	}
	slices.Sort(found.URLs)
}

func (f *finds) sorted() []Found {
	var list []Found
	for _, found := range f.list {
		list = append(list, *found)
	}
	slices.SortFunc(list, func(a, b Found) int { return strings.Compare(a.Name+a.Host, b.Name+b.Host) })
	return list
}

// address formats a URL; a link-local IPv6 address needs the interface that it was seen on.
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
