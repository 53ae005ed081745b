package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/maixstream/maixstream/server/internal/page"
)

// InSession reports whether r belongs to a session, which is extended then.
func (s *Server) InSession(r *http.Request) bool {
	l := s.live.Load()
	if l.auth == nil {
		return false
	}
	v, _ := l.auth.judge(r, l.sender(r))
	return v == inSession
}

// deny replies to a request without access: to a person at a browser with the login form, to a program with a challenge. path is relative to
// the form's directory.
func (s *Server) deny(w http.ResponseWriter, r *http.Request, path string, a *auth, v verdict) {
	s.denied.Add(1)
	if wantsPage(r, path) {
		next := path
		if r.URL.RawQuery != "" && !r.URL.Query().Has("token") {
			next += "?" + r.URL.RawQuery
		}
		s.loginForm(w, a, page.Form{Next: next}, v)
		return
	}
	if v == tooMany {
		w.Header().Set("Retry-After", retryAfter)
		s.Refuse(w, http.StatusTooManyRequests, tooManyText)
		return
	}
	w.Header().Set("WWW-Authenticate", challenge(a, r))
	s.Refuse(w, http.StatusUnauthorized, "a user and password or a token is required")
}

const (
	tooManyText = "Too many wrong passwords. Wait a little, then try again."
	retryAfter  = "5" // seconds, same as wrongEvery
)

// wantsPage reports whether a person opened r by typing an address or following a link. Only paths without a slash have the form:
// its URL is relative to theirs, so that it works below any prefix. Requests with credentials come from the browser's password
// prompt or from a program; they get the challenge again.
func wantsPage(r *http.Request, path string) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html") &&
		!strings.Contains(path, "/") && r.Header.Get("Authorization") == ""
}

// challenge is the WWW-Authenticate value. A page's requests get one unknown to browsers, because Basic would open a password prompt. They
// have a header of the page, ask for events, or have the cookie of an expired session; requests with credentials are not from the page's form.
func challenge(a *auth, r *http.Request) string {
	page := r.Header.Get("X-Requested-With") != "" || strings.Contains(r.Header.Get("Accept"), "text/event-stream") ||
		len(sessionKeys(r)) > 0 && r.Header.Get("Authorization") == ""
	switch {
	case page:
		return formChallenge
	case len(a.users) > 0:
		return `Basic realm="maixstream", charset="UTF-8"`
	}
	return `Bearer realm="maixstream"`
}

const formChallenge = `Form realm="maixstream"`

func (s *Server) loginForm(w http.ResponseWriter, a *auth, f page.Form, v verdict) {
	code := http.StatusUnauthorized
	f.Users, f.Name = len(a.users) > 0, s.config.Name
	if v == tooMany {
		code, f.Message = http.StatusTooManyRequests, tooManyText
		w.Header().Set("Retry-After", retryAfter)
	} else {
		w.Header().Set("WWW-Authenticate", formChallenge)
	}
	d := page.Login(f)
	d.Serve(w, code)
}

// login handles the form.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	l := s.live.Load()
	a := l.auth
	if a == nil || r.Method != http.MethodPost {
		redirect(w, "./")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		s.Refuse(w, http.StatusBadRequest, "login: "+err.Error())
		return
	}
	f := page.Form{Next: localPath(r.PostForm.Get("next")), User: r.PostForm.Get("user"), Message: "Incorrect username or password."}
	var v verdict
	var has right
	if len(a.users) > 0 {
		v, has = a.password(l.sender(r), f.User, r.PostForm.Get("password"))
	} else {
		v, has = a.token(l.sender(r), r.PostForm.Get("token"))
		f.Message = "This token is not known."
	}
	if v != admitted {
		s.denied.Add(1)
		s.loginForm(w, a, f, v)
		return
	}
	s.setCookie(w, r, a.sessions.start(a, has))
	redirect(w, "./"+f.Next)
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if a := s.live.Load().auth; a != nil && r.Method == http.MethodPost {
		a.sessions.end(a, r)
		s.setCookie(w, r, "")
	}
	redirect(w, "./")
}

// redirect keeps the path relative, unlike http.Redirect.
func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// localPath returns next if it is a path of this server without a directory, otherwise "".
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || strings.ContainsAny(u.Path, `/\:`) {
		return ""
	}
	return strings.TrimPrefix((&url.URL{Path: u.Path, RawQuery: u.RawQuery}).RequestURI(), "/")
}
