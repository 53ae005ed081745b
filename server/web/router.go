package web

import (
	"net/http"
	"strings"
)

// Route is a path and what serves it.
type Route struct {
	// Path is a pattern of http.ServeMux without a method.
	Path string
	// Methods are those that Handler takes, as in "GET, HEAD".
	Methods string
	Handler http.HandlerFunc
}

// Router hands each request to the route of its path. It answers OPTIONS, methods that a path does not have (405, with Allow) and unknown paths
// (404) by itself.
type Router struct {
	mux    *http.ServeMux
	refuse func(w http.ResponseWriter, code int, text string)
}

// NewRouter makes a Router. refuse writes its refusals; nil: as plain text. It panics when two routes have the same path, or one has the path /.
func NewRouter(refuse func(w http.ResponseWriter, code int, text string), routes ...Route) *Router {
	if refuse == nil {
		refuse = refuseText
	}
	r := &Router{http.NewServeMux(), refuse}
	for _, route := range routes {
		r.mux.Handle(route.Path, r.methods(route.Methods, route.Handler))
	}
	r.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		r.refuse(w, http.StatusNotFound, "there is nothing here; see /")
	})
	return r
}

// ServeHTTP implements http.Handler.
func (r *Router) ServeHTTP(w http.ResponseWriter, request *http.Request) { r.mux.ServeHTTP(w, request) }

// methods hands requests with these methods to h.
func (r *Router) methods(methods string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		for m := range strings.SplitSeq(methods, ", ") {
			if request.Method == m {
				h(w, request)
				return
			}
		}
		w.Header().Set("Allow", methods+", OPTIONS")
		if request.Method == http.MethodOptions {
			if w.Header().Get("Access-Control-Allow-Origin") != "" {
				w.Header().Set("Access-Control-Allow-Methods", methods)
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
		r.refuse(w, http.StatusMethodNotAllowed, "method "+request.Method+" not allowed; use "+methods)
	})
}

func refuseText(w http.ResponseWriter, code int, text string) { http.Error(w, text, code) }
