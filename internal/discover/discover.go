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

// quiet stops dnssd from writing its remarks on other hosts' messages to standard output. What fails it returns.
func quiet() { log.Info.SetOutput(io.Discard) }

// HostName is the host's name without its domain: "maixcam-1a2b".
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

// askEvery is how often Find asks: a question or its answer may be lost, and a network may come meanwhile.
const askEvery = time.Second

// Find asks the local network and returns what answered until ctx ended, sorted by name.
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

// finds are the services that have answered so far.
type finds struct {
	mu   sync.Mutex
	list map[string]*Found
}

// ask asks for one type of services until ctx ends. The error is the last one when no attempt went well.
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
