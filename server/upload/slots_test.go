package upload_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maixstream/maixstream/internal/testenv"
	"github.com/maixstream/maixstream/server/upload"
	"github.com/maixstream/maixstream/server/web"
)

func webLoopback() web.Config { return web.Config{Listen: []string{"127.0.0.1:0"}} }

// idle opens an upload that sends nothing; after first sending a picture, if given.
func idle(t *testing.T, s *upload.Server, device string, first []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	head := fmt.Sprintf("POST /upload?device=%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n", device)
	if first != nil {
		part := fmt.Sprintf("--b\r\nContent-Length: %d\r\n\r\n%s\r\n--b\r\n", len(first), first)
		head += fmt.Sprintf("%x\r\n%s\r\n", len(part), part)
	}
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	return conn
}

// One sender's idle uploads, however many, block neither another device nor, for long, its own.
func TestIdleUploadsAreEvicted(t *testing.T) {
	testenv.NoLeaks(t)
	dir := t.TempDir()
	s := receive(t, dir, func(c *upload.Config) { c.MaxUploads, c.MaxPerDevice = 40, 10 })
	live := idle(t, s, "live", jpegOf(t, 1)) // a camera that sends a picture occasionally
	testenv.Eventually(t, "the camera's first picture", func() bool { return s.State().Pictures == 1 })
	var attack []net.Conn
	for i := range 60 { // of six devices, each at its limit
		attack = append(attack, idle(t, s, fmt.Sprint("d", i%6), nil))
	}
	testenv.Eventually(t, "all slots are used", func() bool { return s.State().Uploads == 40 })
	time.Sleep(1500 * time.Millisecond) // nothing idle for less than a second is evicted
	keepAlive := func() {
		t.Helper()
		part := fmt.Sprintf("Content-Length: %d\r\n\r\n%s\r\n--b\r\n", len(jpegOf(t, 2)), jpegOf(t, 2))
		if _, err := fmt.Fprintf(live, "%x\r\n%s\r\n", len(part), part); err != nil {
			t.Fatal(err)
		}
	}
	keepAlive()
	testenv.Eventually(t, "the camera's second picture", func() bool { return s.State().Pictures == 2 })
	for i := range 20 {
		if a := post(t, s, fmt.Sprint("?device=other", i), bytes.NewReader(jpegOf(t, 3)), nil); !a.OK {
			t.Fatalf("another device's picture: %+v", a)
		}
	}
	if st := s.State(); st.Uploads >= 40 || st.Uploads < 20 {
		t.Errorf("%d uploads run", st.Uploads)
	}
	keepAlive() // it was not the longest idle
	testenv.Eventually(t, "the camera's third picture", func() bool { return s.State().Pictures == 23 })
	notified := 0
	for _, conn := range attack {
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if reply, _ := io.ReadAll(conn); strings.HasPrefix(string(reply), "HTTP/1.1 503") && strings.Contains(string(reply), "application/json") && strings.Contains(string(reply), "\r\nRetry-After: ") {
			notified++
		}
	}
	if notified < 20 {
		t.Errorf("%d were sent the reason", notified)
	}
}

// A device that repeatedly lost its connection, unnoticed by the server, is not locked out.
func TestDevicesOwnIdleUploadsAreEvictedFirst(t *testing.T) {
	testenv.NoLeaks(t)
	s := receive(t, t.TempDir(), func(c *upload.Config) { c.MaxUploads, c.MaxPerDevice = 40, 3 })
	quiet := idle(t, s, "quiet", jpegOf(t, 1))
	for i := range 3 {
		idle(t, s, "lost", jpegOf(t, i))
		testenv.Eventually(t, "it runs", func() bool { return s.State().Uploads == int64(i)+2 })
	}
	a := post(t, s, "?device=lost", bytes.NewReader(jpegOf(t, 4)), nil) // none has been idle for a second
	if !a.OK && (a.code != 503 || !strings.Contains(a.Error, "this device") || a.header.Get("Retry-After") == "") {
		t.Errorf("%+v", a)
	}
	time.Sleep(1200 * time.Millisecond)
	postOK(t, s, "?device=lost", jpegOf(t, 5), nil)
	if n := s.State().Uploads; n > 3 {
		t.Errorf("%d uploads run", n)
	}
	_ = quiet.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if reply, err := io.ReadAll(quiet); len(reply) > 0 || err == nil {
		t.Errorf("the other device's upload was ended: %q", reply)
	}
}

// A thousand uploads from one address: half of the slots stay free for others.
func TestOneAddressIsLimitedToHalfTheSlots(t *testing.T) {
	host := ""
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			host = ip.IP.String()
		}
	}
	if host == "" {
		testenv.Unable(t, "no address but the loopback's, which is not counted: proxies are there")
	}
	s := receive(t, t.TempDir(), func(c *upload.Config) {
		c.HTTP.Listen = []string{net.JoinHostPort(host, "0"), "127.0.0.1:0"}
		c.MaxUploads = 20
	})
	for i := range 30 {
		idle(t, s, fmt.Sprint("d", i), nil)
	}
	testenv.Eventually(t, "half of the slots are used", func() bool { return s.State().Uploads == 10 })
	for _, url := range s.URLs() {
		if strings.Contains(url, host) {
			continue
		}
		r, err := http.NewRequest(http.MethodPost, url+"/upload?device=x", bytes.NewReader(jpegOf(t, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if a := do(t, r); !a.OK {
			t.Errorf("another address: %+v", a)
		}
	}
}

// Retention deletes from devices above their share.
func TestBusyDeviceMakesItsOwnRoom(t *testing.T) {
	const most = 40 * 4096
	s := receive(t, t.TempDir(), func(c *upload.Config) { c.MaxBytes, c.MaxUpload = most, most })
	old := time.Now().Add(-20 * time.Hour)
	for i := range 5 { // a quiet one, with the oldest pictures
		postOK(t, s, "?device=quiet", jpegOf(t, i), headers{"X-Timestamp": stampOf(old.Add(time.Duration(i) * time.Hour))})
	}
	counts := func() map[string]int {
		n := map[string]int{}
		for _, d := range s.Devices() {
			n[d.Name] = d.Pictures
		}
		return n
	}
	for i := range 300 {
		postOK(t, s, "?device=busy", jpegOf(t, i), nil)
	}
	if n := counts(); n["quiet"] != 5 || n["busy"] != 35 {
		t.Errorf("%v, want 5 and 35", n)
	}
	for i := range 300 { // another one: both are above a third then, and share the rest
		postOK(t, s, "?device=busy2", jpegOf(t, i), nil)
	}
	if n := counts(); n["quiet"] != 5 || n["busy"] < 13 || n["busy2"] < 13 || n["busy"]+n["busy2"] != 35 {
		t.Errorf("%v", n)
	}
	for i := range 300 { // the quiet one becomes busy
		postOK(t, s, "?device=quiet", jpegOf(t, i), nil)
	}
	if n := counts(); n["quiet"] < 13 || n["quiet"] > 15 || n["busy"] < 12 || n["busy2"] < 12 {
		t.Errorf("%v", n)
	}
}

// One sender under many names does not push out a quiet device's pictures either.
func TestManyNamesTakeNoRoomFromOthers(t *testing.T) {
	const most = 40 * 4096
	s := receive(t, t.TempDir(), func(c *upload.Config) { c.MaxBytes, c.MaxUpload = most, most })
	old := time.Now().Add(-20 * time.Hour)
	for i := range 10 {
		postOK(t, s, "?device=quiet", jpegOf(t, i), headers{"X-Timestamp": stampOf(old.Add(time.Duration(i) * time.Hour))})
	}
	for i := range 60 {
		postOK(t, s, "?device=busy", jpegOf(t, i), nil)
	}
	for i := range 20 {
		postOK(t, s, fmt.Sprint("?device=name", i), jpegOf(t, i), nil)
	}
	for _, d := range s.Devices() {
		want := 1
		if d.Name == "quiet" || d.Name == "busy" {
			want = 10
		}
		if d.Pictures != want {
			t.Errorf("%s has %d pictures, want %d", d.Name, d.Pictures, want)
		}
	}
	if n := len(s.Devices()); n != 22 {
		t.Errorf("%d devices", n)
	}
}

// Who has sent no picture within half a minute gives up its slot, also if something trickles in; a camera between two pictures does not.
func TestFirstPictureMustComeSoon(t *testing.T) {
	testenv.Long(t, "waits half a minute")
	t.Parallel()
	s := receive(t, t.TempDir(), nil)
	camera := idle(t, s, "camera", jpegOf(t, 1))
	silent, trickling := idle(t, s, "silent", nil), idle(t, s, "trickling", nil)
	testenv.Eventually(t, "three uploads", func() bool { return s.State().Uploads == 3 })
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for _, b := range "--b\r\nContent-Type: image/jpeg\r\nX-Filler: " + strings.Repeat("x", 100) {
			if _, err := fmt.Fprintf(trickling, "1\r\n%c\r\n", b); err != nil {
				return
			}
			select {
			case <-time.After(2 * time.Second):
			case <-stop:
				return
			}
		}
	}()
	began := time.Now()
	for name, conn := range map[string]net.Conn{"silent": silent, "trickling": trickling} {
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
		reply, err := io.ReadAll(conn)
		if took := time.Since(began); took < 25*time.Second || !bytes.HasPrefix(reply, []byte("HTTP/1.1 408")) {
			t.Errorf("%s: %q, %v after %v", name, reply, err, took)
		}
	}
	part := fmt.Sprintf("Content-Length: %d\r\n\r\n%s\r\n--b\r\n", len(jpegOf(t, 2)), jpegOf(t, 2))
	if _, err := fmt.Fprintf(camera, "%x\r\n%s\r\n", len(part), part); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the camera's second picture", func() bool { return s.State().Pictures == 2 })
	if n := s.State().Uploads; n != 1 {
		t.Errorf("%d uploads run", n)
	}
}
