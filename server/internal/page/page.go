// Package page contains the web pages: the live page, the login form, the not-found page, and their shared style. Each page is a single document
// without external resources.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Style is the style sheet shared by all pages: light and dark colours, controls, notices. A page's own rules follow it.
//
//go:embed style.css
var Style string

// Script is the beginning of each page's script: addresses and requests.
//
//go:embed base.js
var Script string

//go:embed live login missing icons
var files embed.FS

// file returns an embedded file; a wrong name panics at program start.
func file(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Document is a page and the Content-Security-Policy to send with it, which allows only the page's own scripts and styles.
type Document struct{ HTML, Policy string }

// Serve replies with the page.
func (d *Document) Serve(w http.ResponseWriter, code int) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	policy := d.Policy
	if framing := h.Get("Content-Security-Policy"); framing != "" { // the server's policy on embedding
		policy += "; " + framing
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, d.HTML)
}

// New inserts style, preceded by Style, and script into html in place of {{style}} and {{script}}. script "": none.
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

// liveScripts are concatenated in this order; they share one scope.
var liveScripts = []string{
	"notice", "stream", "share", "draw", "choice", "way", "video", "mp4", "whep", "clock", "state", "publish", "settings", "camera", "measure",
	"view", "qr", "links", "buttons", "keys", "start",
}

// Pages are assembled at first use: a start does not pay for pages that nobody opens.
var (
	live  = sync.OnceValue(newLive)
	login = sync.OnceValue(func() Document {
		return New(file("login/login.html"), file("login/login.css"), file("login/login.js"))
	})
)

func newLive() Document {
	var script strings.Builder
	script.WriteString(Script)
	for _, name := range liveScripts {
		script.WriteString(file("live/" + name + ".js"))
	}
	return New(file("live/live.html"), file("live/live.css"), script.String())
}

// View determines how the live page is shown.
type View struct {
	Session bool   // show a button to log out
	Bare    bool   // show only the picture
	Token   string // that the page was opened with; "": none. Requests made without a script carry it, too
}

// Live returns the live page.
func Live(v View) Document {
	d := live()
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

// Named returns the page with name in its title instead of the program's.
func (d Document) Named(name string) Document {
	if name != "" {
		d.HTML = strings.Replace(d.HTML, "maixstream</title>", escape(name)+"</title>", 1)
	}
	return d
}

// Form is the content of the login form, including the result of the last attempt.
type Form struct {
	Next    string // where to go afterwards, relative to the form
	Users   bool   // users with passwords exist; otherwise only tokens
	User    string // name of the last attempt, to prefill
	Message string // "" before the first attempt
	Name    string // the server's name; "": maixstream
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
	d := login()
	d.HTML = strings.NewReplacer(
		"{{next}}", escape(f.Next), "{{message}}", escape(f.Message), "{{users}}", fill(f.Users), "{{token}}", fill(!f.Users),
		"{{user}}", escape(f.User), "{{first}}", focus[0], "{{second}}", focus[1],
		"{{invalid}}", map[bool]string{true: `aria-invalid="true"`}[f.Message != ""],
	).Replace(d.HTML)
	return d.Named(f.Name)
}

// escape escapes text for HTML. Package html would add its table of entities, 80 KB, to a board's program.
func escape(text string) string { return escaper.Replace(text) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")
