// Package page has what browsers are shown: the live page, the login form, and the look that all pages share. Each page is one document
// that needs nothing from outside.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
)

// Style is the look that all pages share: colours for light and dark, controls, notices. A page puts its own rules behind it.
//
//go:embed style.css
var Style string

var (
	//go:embed live.html
	liveHTML string
	//go:embed live.css
	liveStyle string
	//go:embed live.js
	liveScript string
	//go:embed login.html
	loginHTML string
	//go:embed login.css
	loginStyle string
)

// Document is a page and the Content-Security-Policy to send with it, which lets nothing run that is not in it.
type Document struct{ HTML, Policy string }

// Serve replies with the page.
func (d *Document) Serve(w http.ResponseWriter, code int) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", d.Policy)
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
			"; img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; base-uri 'none'",
	}
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

var (
	live   = New(liveHTML, liveStyle, liveScript)
	logout = Document{strings.Replace(live.HTML, `<form id="logout" hidden `, `<form id="logout" `, 1), live.Policy}
	login  = New(loginHTML, loginStyle, "")
)

// Live returns the live page; session: with a button to log out.
func Live(session bool) Document {
	if session {
		return logout
	}
	return live
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
