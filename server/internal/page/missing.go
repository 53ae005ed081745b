package page

import "strings"

var missing = New(file("missing/missing.html"), file("login/login.css"), "")

// NotFound returns the page for a path that nothing serves, with links to those that something does. paths and path begin with a slash, below the
// same prefix.
func NotFound(path string, paths []string) Document {
	up := strings.Repeat("../", max(strings.Count(path, "/")-1, 0)) // relative, so that a proxy may have a prefix of its own
	var list strings.Builder
	for _, p := range paths {
		to := up + strings.TrimPrefix(p, "/")
		if to == "" {
			to = "./"
		}
		list.WriteString(`<li><a href="` + escape(to) + `">` + escape(p) + "</a></li>")
	}
	d := missing
	d.HTML = strings.NewReplacer("{{up}}", up, "{{path}}", escape(path), "{{list}}", list.String()).Replace(d.HTML)
	return d
}
