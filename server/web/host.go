package web

import (
	"bufio"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// answers says whether a request for its Host is answered. With authentication all are. Without it, any page that somebody here looks at could reach
// this server by a name of its own that it points to this address (DNS rebinding), so only names count that no stranger can have: addresses, localhost,
// this machine's names, those of multicast DNS, those of the certificate, and the configured ones. Requests without a Host are not a browser's.
func (l *live) answers(r *http.Request) bool {
	host := hostOf(r.Host)
	if l.auth != nil || host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil || slices.Contains(l.hosts, host) {
		return true
	}
	// A browser shows a page of https://NAME only when the certificate is NAME's.
	if r.TLS != nil && l.cert != nil && l.cert.Leaf != nil && l.cert.Leaf.VerifyHostname(host) == nil {
		return true
	}
	return slices.Contains(ownNames(), host)
}

// ownNames are this machine's, with and without the domains that its resolver adds.
func ownNames() []string {
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

// searchDomains are those of resolv.conf(5); none where there is no such file.
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
