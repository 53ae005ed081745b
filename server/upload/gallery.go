package upload

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maixstream/maixstream/internal/stamp"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/server/internal/page"
	"github.com/maixstream/maixstream/server/internal/reply"
	"github.com/maixstream/maixstream/server/web"
)

//go:embed gallery
var galleryFiles embed.FS

var (
	galleryPage   = sync.OnceValue(newGallery)
	galleryLogout = sync.OnceValue(func() page.Document {
		d := galleryPage()
		d.HTML = strings.Replace(d.HTML, `<form id="logout" hidden `, `<form id="logout" `, 1)
		return d
	})
)

func newGallery() page.Document {
	file := func(name string) string {
		b, err := galleryFiles.ReadFile("gallery/" + name)
		if err != nil {
			panic(err) // embedded, so it fails in every test or never
		}
		return string(b)
	}
	return page.New(file("gallery.html"), file("gallery.css"), page.Script+file("devices.js")+file("view.js"))
}

func (s *Server) routes() []web.Route {
	const read = "GET, HEAD"
	return []web.Route{
		{Path: "/{$}", Methods: read, Handler: s.gallery},
		{Path: "/upload", Methods: "POST, PUT", Handler: s.upload},
		{Path: "/upload/{name...}", Methods: "POST, PUT", Handler: s.upload},
		{Path: "/devices", Methods: read, Handler: s.listDevices},
		{Path: "/devices/{device}/pictures", Methods: read, Handler: s.listPictures},
		{Path: "/files/{file...}", Methods: "GET, HEAD, DELETE", Handler: s.file},
		{Path: "/snapshot/{device}", Methods: read, Handler: s.snapshot},
		{Path: "/stream/{device}", Methods: read, Handler: s.stream},
		{Path: "/events", Methods: read, Handler: s.events},
		{Path: "/metrics", Methods: read, Handler: reply.Metrics(s.registry())},
	}
}

func refuse(w http.ResponseWriter, code int, text string) {
	reply.JSON(w, code, receipt{Error: text})
}

func (s *Server) gallery(w http.ResponseWriter, r *http.Request) {
	shown := galleryPage
	if s.web.InSession(r) {
		shown = galleryLogout
	}
	d := shown()
	d.Serve(w, http.StatusOK)
}

// Device is a device as /devices and /events show it. Times are Unix seconds.
type Device struct {
	Name       string  `json:"name"`
	Pictures   int     `json:"pictures"` // stored
	Bytes      int64   `json:"bytes"`    // on disk
	Received   uint64  `json:"received"` // since the server's start
	FPS        float64 `json:"fps"`      // over the last seconds
	First      float64 `json:"first"`    // time of the oldest
	Last       float64 `json:"last"`     // time of the newest
	Newest     Picture `json:"newest"`   // last to arrive
	Arrived    float64 `json:"arrived"`  // when Newest arrived
	AgeSeconds float64 `json:"age_seconds"`
}

// Picture is a stored picture as lists show it.
type Picture struct {
	File     string  `json:"file"` // served at /files/FILE
	Time     float64 `json:"time"` // Unix seconds
	Sequence uint64  `json:"sequence"`
	Bytes    int64   `json:"bytes"`
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func (k *kept) picture() Picture { return Picture{k.File, unixSeconds(k.Time), k.Sequence, k.Bytes} }

// show must be called with the store's lock held.
func (d *device) show(now time.Time) Device {
	youngest := d.youngest()
	return Device{
		Name: d.name, Pictures: d.pictures, Bytes: d.bytes, Received: d.received, FPS: d.rate.perSecond(now),
		First: unixSeconds(d.oldest()), Last: unixSeconds(youngest.Time), Newest: d.newest.picture(), Arrived: unixSeconds(d.arrived), AgeSeconds: now.Sub(d.arrived).Seconds(),
	}
}

// since returns the devices that changed after a version, by name, and the current version. names has all devices.
func (s *store) since(version uint64) (changed []Device, names map[string]bool, now uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names = make(map[string]bool, len(s.devices))
	t := time.Now()
	for _, d := range s.devices {
		if len(d.days) == 0 {
			continue
		}
		names[d.name] = true
		if d.version > version {
			changed = append(changed, d.show(t))
		}
	}
	slices.SortFunc(changed, func(a, b Device) int { return cmp.Compare(a.Name, b.Name) })
	return changed, names, s.version
}

// Devices returns all devices with stored pictures, sorted by name.
func (s *Server) Devices() []Device {
	list, _, _ := s.store.since(0)
	if list == nil {
		list = []Device{}
	}
	return list
}

func (s *Server) listDevices(w http.ResponseWriter, _ *http.Request) {
	reply.JSON(w, http.StatusOK, struct {
		Devices []Device `json:"devices"`
		Total   State    `json:"total"`
	}{s.Devices(), s.State()})
}

// newest returns a device's last picture to arrive.
func (s *Server) newest(name string) (kept, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if d := s.store.devices[name]; d != nil && len(d.days) > 0 {
		return d.newest, nil
	}
	return kept{}, fmt.Errorf("%w: %.80q; /devices lists the known ones", errUnknown, name)
}

// maxListed limits a list of pictures.
const maxListed = 2000

// query selects a device's pictures.
type query struct {
	from, to      time.Time // zero: unbounded
	after, before string    // DEVICE/DAY/NAME; "": unbounded
	most          int
}

func (s *Server) listPictures(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	total, list, err := s.store.list(r.PathValue("device"), q)
	switch {
	case errors.Is(err, errUnknown):
		refuse(w, http.StatusNotFound, err.Error())
	case err != nil:
		refuse(w, http.StatusBadRequest, err.Error())
	default:
		reply.JSON(w, http.StatusOK, struct {
			Total    int       `json:"total"` // within the bounds
			Pictures []Picture `json:"pictures"`
		}{total, list})
	}
}

func parseQuery(r *http.Request) (query, error) {
	v := r.URL.Query()
	q := query{after: v.Get("after"), before: v.Get("before"), most: 500}
	for name, t := range map[string]*time.Time{"from": &q.from, "to": &q.to} {
		if text := v.Get(name); text != "" {
			seconds, err := strconv.ParseFloat(text, 64)
			if err != nil || !(seconds >= 0 && seconds < 1e11) {
				return q, fmt.Errorf("%s=%.40q: want Unix seconds", name, text)
			}
			*t = time.UnixMicro(int64(seconds*1e6 + .5))
		}
	}
	if text := v.Get("max"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxListed {
			return q, fmt.Errorf("max=%.40q: want a number from 1 to %d", text, maxListed)
		}
		q.most = n
	}
	if q.after != "" && q.before != "" {
		return q, errors.New("after= and before= exclude each other")
	}
	return q, nil
}

// list returns how many pictures of a device are within the bounds, and at most most of them, oldest first: those next to a bound that is a
// picture, otherwise a sample spread evenly over all, including the first and the last.
func (s *store) list(name string, q query) (total int, list []Picture, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.devices[name]
	if d == nil || len(d.days) == 0 {
		return 0, nil, fmt.Errorf("%w: %.80q", errUnknown, name)
	}
	first, end := 0, d.pictures
	if !q.from.IsZero() {
		first = d.position(q.from, 0)
	}
	if !q.to.IsZero() {
		end = d.position(q.to.Add(time.Millisecond), 0)
	}
	for _, bound := range []string{q.after, q.before} {
		if bound == "" {
			continue
		}
		day, base, _ := strings.Cut(strings.TrimPrefix(bound, name+"/"), "/")
		begin, ok := parseDay(day)
		ms, sequence, _, ok2 := parseFileName(base)
		if !ok || !ok2 {
			return 0, nil, fmt.Errorf("%.80q: not a picture's name", bound)
		}
		t := begin.Add(time.Duration(ms) * time.Millisecond)
		if bound == q.after {
			first = max(first, d.position(t, sequence+1))
		} else {
			end = min(end, d.position(t, sequence))
		}
	}
	total = max(end-first, 0)
	n := min(total, q.most)
	list = make([]Picture, 0, n)
	for i := range n {
		at := first + i
		switch {
		case q.after != "" || n == total:
		case q.before != "":
			at = end - n + i
		case n > 1:
			at = first + i*(total-1)/(n-1)
		}
		k := d.at(at)
		list = append(list, k.picture())
	}
	return total, list, nil
}

// position returns how many pictures are older than t, or equally old with a lower sequence.
func (d *device) position(t time.Time, sequence uint64) int {
	n := 0
	for _, y := range d.days {
		if t.Before(y.begin) {
			break
		}
		if !t.Before(y.begin.Add(24 * time.Hour)) {
			n += len(y.entries)
			continue
		}
		i, _ := y.find(entry{ms: uint32(t.Sub(y.begin) / time.Millisecond), sequence: sequence})
		return n + i
	}
	return n
}

// at returns the picture at a position.
func (d *device) at(i int) kept {
	for _, y := range d.days {
		if i < len(y.entries) {
			return d.kept(y, y.entries[i])
		}
		i -= len(y.entries)
	}
	return kept{}
}

// snapshot replies with a device's newest picture.
func (s *Server) snapshot(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimSuffix(r.PathValue("device"), ".jpg")
	for range 3 { // it may be deleted between lookup and open
		k, err := s.newest(name)
		if err != nil && name != r.PathValue("device") {
			name = r.PathValue("device")
			k, err = s.newest(name)
		}
		if err != nil {
			refuse(w, http.StatusNotFound, err.Error())
			return
		}
		if s.sendFile(w, r, &k) == nil {
			return
		}
	}
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusServiceUnavailable, "the newest picture is gone")
}

// file serves a stored picture, or deletes it.
func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if r.Method == http.MethodDelete {
		if bound := web.Device(r); bound != "" && !strings.HasPrefix(name, bound+"/") {
			refuse(w, http.StatusForbidden, fmt.Sprintf("this token is for pictures of the device %q", bound))
			return
		}
		s.deleteFile(w, name)
		return
	}
	device, rest, _ := strings.Cut(name, "/")
	s.store.mu.Lock()
	var k kept
	found := false
	if d := s.store.devices[device]; d != nil {
		k, found = d.lookup(rest)
	}
	s.store.mu.Unlock()
	// The content under a name never changes.
	w.Header().Set("Cache-Control", "private, max-age=86400, immutable")
	w.Header().Del("Pragma")
	if found && s.sendFile(w, r, &k) == nil {
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	refuse(w, http.StatusNotFound, "no such picture; it may have expired")
}

func (s *Server) deleteFile(w http.ResponseWriter, name string) {
	switch err := s.store.delete(name); {
	case errors.Is(err, errUnknown):
		refuse(w, http.StatusNotFound, "no such picture; it may have been deleted already")
	case err != nil:
		s.config.Log.Error("deleting a picture failed", zap.Error(err))
		refuse(w, http.StatusInternalServerError, "deleting the picture failed; see the server's log")
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Server) sendFile(w http.ResponseWriter, r *http.Request, k *kept) error {
	f, err := s.store.open(k.File)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("open a picture: %w", err)
		}
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file (%w)", k.File, errors.Join(err, fs.ErrInvalid))
	}
	h := w.Header()
	h.Set("Content-Type", k.Format.mime())
	h.Set("Content-Disposition", "inline; filename="+strconv.Quote(strings.ReplaceAll(k.File, "/", "_")))
	h.Set("X-Timestamp", stamp.Format(k.Time))
	h.Set("X-Sequence", strconv.FormatUint(k.Sequence, 10))
	web.Embeddable(w)
	http.ServeContent(w, r, path.Base(k.File), time.Time{}, f)
	return nil
}
