package page

import (
	"encoding/json"
	"strings"
)

// Asset is a file that browsers request besides a page. Assets contain no secrets.
type Asset struct {
	Path string // "/favicon.ico"
	Type string
	Body string
}

// Assets returns the icons.
func Assets() []Asset {
	var list []Asset
	for _, a := range []struct{ name, kind string }{
		{"favicon.ico", "image/x-icon"}, {"icon.svg", "image/svg+xml"}, {"icon-180.png", "image/png"}, {"icon-192.png", "image/png"}, {"icon-512.png", "image/png"},
	} {
		list = append(list, Asset{"/" + a.name, a.kind, file("icons/" + a.name)})
	}
	return list
}

// ManifestPath and ManifestType belong to the web app manifest (https://www.w3.org/TR/appmanifest/), which makes the page installable.
const (
	ManifestPath = "/manifest.webmanifest"
	ManifestType = "application/manifest+json"
)

// Manifest returns the web app manifest of the server called name; "": maixstream. All its addresses are relative; the installed app starts with the
// token that the page was opened with.
func Manifest(name, token string) string {
	if name == "" {
		name = "maixstream"
	}
	type icon struct {
		Src     string `json:"src"`
		Sizes   string `json:"sizes"`
		Type    string `json:"type"`
		Purpose string `json:"purpose"`
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct {
		Name    string `json:"name"`
		Short   string `json:"short_name"`
		Start   string `json:"start_url"`
		Scope   string `json:"scope"`
		Display string `json:"display"`
		Back    string `json:"background_color"`
		Theme   string `json:"theme_color"`
		Icons   []icon `json:"icons"`
	}{
		name, name, "./" + tokenQuery(token), "./", "standalone", "#0f1318", "#0a6c5d", []icon{
			{"icon-192.png", "192x192", "image/png", "any"},
			{"icon-512.png", "512x512", "image/png", "any"},
			{"icon-512.png", "512x512", "image/png", "maskable"},
		},
	}) // writing to a strings.Builder never fails
	return b.String()
}
