// Package page has what browsers are shown: the live page, the login form, and the look that all pages share. Each page is one document
// that needs nothing from outside.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Style is the look that all pages share: colours for light and dark, controls, notices. A page puts its own rules behind it.
//
//go:embed style.css
var Style string

// Script is what the script of each page begins with: addresses and requests.
//
//go:embed base.js
var Script string

//go:embed live login missing icons
var files embed.FS

// file returns an embedded file; that a name is wrong shows when the program starts.
func file(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Document is a page and the Content-Security-Policy to send with it, which lets nothing run that is not in it.
type Document struct{ HTML, Policy string }

// Serve replies with the page.
func (d *Document) Serve(w http.ResponseWriter, code int) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	policy := d.Policy
	if framing := h.Get("Content-Security-Policy"); framing != "" { // the server's, on who may show the page within another
		policy += "; " + framing
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, d.HTML)
}

// New puts style (behind Style) and script into html, in the places of {{style}} and {{script}}. script "": none.
func New(html, style, script string) Document {
	style = Style + style
	scripts := "'none'"
	if script != "" {
		scripts = hash(script)
	}
	return Document{
		HTML: strings.NewReplacer("{{style}}", style, "{{script}}", script).Replace(html),
		Policy: "default-src 'none'; script-src " + scripts + "; style-src " + hash(style) +
			"; img-src 'self' data: blob:; media-src blob:; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'",
	}
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// liveScripts are one script together, in this order: each is an idea, and they share their names.
var liveScripts = []string{
	"notice", "stream", "share", "draw", "choice", "way", "video", "mp4", "whep", "clock", "state", "publish", "settings", "camera", "measure",
	"view", "qr", "links", "buttons", "keys", "start",
}

var live, login = newLive(), New(file("login/login.html"), file("login/login.css"), file("login/login.js"))

func newLive() Document {
	var script strings.Builder
	script.WriteString(Script)
	for _, name := range liveScripts {
		script.WriteString(file("live/" + name + ".js"))
	}
	return New(file("live/live.html"), file("live/live.css"), script.String())
}

// View is how the live page is to be shown.
type View struct {
	Session bool   // with a button to log out
	Bare    bool   // the picture alone
	Token   string // that the page was opened with; "": none. What the page asks for without a script has it, too
}

// Live returns the live page.
func Live(v View) Document {
	d := live
	d.HTML = strings.ReplaceAll(d.HTML, "{{query}}", escape(tokenQuery(v.Token)))
	if v.Session {
		d.HTML = strings.Replace(d.HTML, `<form id="logout" hidden `, `<form id="logout" `, 1)
	}
	if v.Bare {
		d.HTML = strings.Replace(d.HTML, "<body>", `<body class="bare">`, 1)
	}
	return d
}

func tokenQuery(token string) string {
	if token == "" {
		return ""
	}
	return "?token=" + url.QueryEscape(token)
}

// Named returns the page with name in its title, in the place of the program's.
func (d Document) Named(name string) Document {
	if name != "" {
		d.HTML = strings.Replace(d.HTML, "maixstream</title>", escape(name)+"</title>", 1)
	}
	return d
}

// Form is what the login form asks for, and what came of the last try.
type Form struct {
	Next    string // where to go afterwards, relative to the form
	Users   bool   // there are users with passwords; else there are only tokens
	User    string // who tried last: the name need not be typed again
	Message string // "" before the first try
	Name    string // what the server is called; "": maixstream
}

// Login returns the login form.
func Login(f Form) Document {
	fill := func(show bool) string {
		if show {
			return ""
		}
		return "hidden disabled"
	}
	focus := [2]string{"autofocus", ""}
	if f.User != "" {
		focus = [2]string{"", "autofocus"}
	}
	d := login
	d.HTML = strings.NewReplacer(
		"{{next}}", escape(f.Next), "{{message}}", escape(f.Message), "{{users}}", fill(f.Users), "{{token}}", fill(!f.Users),
		"{{user}}", escape(f.User), "{{first}}", focus[0], "{{second}}", focus[1],
		"{{invalid}}", map[bool]string{true: `aria-invalid="true"`}[f.Message != ""],
	).Replace(d.HTML)
	return d.Named(f.Name)
}

// escape makes text of text within HTML. The package html would bring its table of entities, 80 KB of a board's program.
func escape(text string) string { return escaper.Replace(text) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")
