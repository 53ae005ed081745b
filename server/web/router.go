package web

import (
	"net/http"
	"strings"

	"github.com/maixstream/maixstream/server/internal/page"
)

// Route is a path and what serves it.
type Route struct {
	// Path is a pattern of http.ServeMux without a method.
	Path string
	// Methods are those that Handler takes, as in "GET, HEAD".
	Methods string
	Handler http.HandlerFunc
	// Views says that no method changes anything: who may only view may use them all.
	Views bool
	// Alias says that the path has another name, under which it is offered.
	Alias bool
}

// Router hands each request to the route of its path. It answers OPTIONS, methods that a path does not have (405, with Allow) and unknown paths
// (404, for a browser with links to the paths there are) by itself.
type Router struct {
	mux    *http.ServeMux
	views  map[string]bool // by path
	refuse func(w http.ResponseWriter, code int, text string)
}

// NewRouter makes a Router. refuse writes its refusals; nil: as plain text. It panics when two routes have the same path, or one has the path /.
func NewRouter(refuse func(w http.ResponseWriter, code int, text string), routes ...Route) *Router {
	if refuse == nil {
		refuse = refuseText
	}
	r := &Router{http.NewServeMux(), map[string]bool{}, refuse}
	var paths []string // that a browser can be sent to
	for _, route := range routes {
		r.views[route.Path] = route.Views
		r.mux.Handle(route.Path, r.methods(route.Methods, route.Handler))
		if path := strings.TrimSuffix(route.Path, "{$}"); !route.Alias && strings.HasPrefix(route.Methods, http.MethodGet) && !strings.Contains(path, "{") {
			paths = append(paths, path)
		}
	}
	r.mux.HandleFunc("/", func(w http.ResponseWriter, request *http.Request) {
		if strings.Contains(request.Header.Get("Accept"), "text/html") && len(paths) > 0 {
			d := page.NotFound(request.URL.Path, paths)
			d.Serve(w, http.StatusNotFound)
			return
		}
		r.refuse(w, http.StatusNotFound, "there is nothing here; see /")
	})
	return r
}

// ServeHTTP implements http.Handler.
func (r *Router) ServeHTTP(w http.ResponseWriter, request *http.Request) { r.mux.ServeHTTP(w, request) }

// Views implements Viewer.
func (r *Router) Views(request *http.Request) bool {
	_, path := r.mux.Handler(request)
	return r.views[path]
}

// Viewer is a handler that knows of requests with other methods than GET and HEAD that change nothing. Others are taken to change something.
type Viewer interface{ Views(*http.Request) bool }

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
