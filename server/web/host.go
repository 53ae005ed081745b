package web

import (
	"bufio"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// answers reports whether a request for its Host is answered. With authentication all are. Without it, any page open in a local browser could reach
// this server by a name that it points to this address (DNS rebinding), so only names that no stranger can have are accepted: addresses, localhost,
// this machine's names, those of multicast DNS, of the certificate, and the configured ones. Requests without a Host are not from browsers.
func (l *live) answers(r *http.Request) bool {
	host := hostOf(r.Host)
	if l.auth != nil || host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil || slices.Contains(l.hosts, host) {
		return true
	}
	// A browser shows a page of https://NAME only if the certificate is valid for NAME.
	if r.TLS != nil && l.cert != nil && l.cert.Leaf != nil && l.cert.Leaf.VerifyHostname(host) == nil {
		return true
	}
	return slices.Contains(localNames(), host)
}

// localNames returns this machine's names, with and without the resolver's search domains.
func localNames() []string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return nil
	}
	name = strings.ToLower(name)
	short, _, _ := strings.Cut(name, ".")
	names := []string{name, short}
	for _, domain := range searchDomains() {
		names = append(names, short+"."+strings.ToLower(strings.Trim(domain, ".")))
	}
	return names
}

// searchDomains returns those of resolv.conf(5), if it exists.
func searchDomains() (domains []string) {
	f, err := os.Open("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && (fields[0] == "search" || fields[0] == "domain") {
			domains = fields[1:]
		}
	}
	return slices.DeleteFunc(domains, func(d string) bool { return strings.Trim(d, ".") == "" })
}
