package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestBoardsReplies(t *testing.T) {
	for _, c := range []struct {
		name     string
		health   int
		well     string
		state    int
		said     string
		wantErr  error
		wantText string
	}{
		{"well", 200, "ok\n", 200, `{"version":"v1","signal":true,"published":7}`, nil, ""},
		{"no frames", 503, "no signal: no picture for 31s: unplugged\n", 200, `{}`, nil, "503 Service Unavailable no signal: no picture for 31s: unplugged"},
		{"starting, locked", 200, "starting: no picture yet\n", 401, "", nil, "starting: no picture yet"},
		{"well, locked", 200, "ok\n", 401, "", errLocked, ""},
		{"TLS", 400, "Client sent an HTTP request to an HTTPS server.\n", 400, "", errWantsTLS, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			board := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				code, text := c.health, c.well
				if r.URL.Path == "/state" {
					code, text = c.state, c.said
				}
				w.WriteHeader(code)
				_, _ = w.Write([]byte(text))
			}))
			defer board.Close()
			s, err := ask(t.Context(), board.Client(), board.URL)
			switch {
			case c.wantErr != nil:
				if !errors.Is(err, c.wantErr) {
					t.Errorf("%v, want %v", err, c.wantErr)
				}
			case c.wantText != "":
				if err == nil || !strings.Contains(err.Error(), c.wantText) || errors.Is(err, errLocked) {
					t.Errorf("%v, want %q", err, c.wantText)
				}
			case err != nil || s.Version != "v1" || !s.Signal || s.Published != 7:
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}
