package page

import (
	"strings"
	"sync"
)

var missing = sync.OnceValue(func() Document { return New(file("missing/missing.html"), file("login/login.css"), "") })

// NotFound returns the page for an unknown path, with links to the existing paths. paths and path begin with a slash and are relative to
// the same prefix.
func NotFound(path string, paths []string) Document {
	up := strings.Repeat("../", max(strings.Count(path, "/")-1, 0)) // relative, so that it works at a proxy's prefix
	var list strings.Builder
	for _, p := range paths {
		to := up + strings.TrimPrefix(p, "/")
		if to == "" {
			to = "./"
		}
		list.WriteString(`<li><a href="` + escape(to) + `">` + escape(p) + "</a></li>")
	}
	d := missing()
	d.HTML = strings.NewReplacer("{{up}}", up, "{{path}}", escape(path), "{{list}}", list.String()).Replace(d.HTML)
	return d
}
