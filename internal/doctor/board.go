package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/openh264"
	"github.com/maixstream/maixstream/hw/sg2002"
)

func board() Check {
	b := sg2002.DescribeBoard()
	c := Check{Name: "board", Status: OK}
	c.Found = map[string]string{"maixcam": "MaixCAM", "maixcam_pro": "MaixCAM-Pro"}[b.ID]
	if c.Found == "" {
		c.Status, c.Found = Note, fmt.Sprintf("a board named %q in /boot/board, treated as a MaixCAM", b.ID)
		c.Remedy = "if there are no pictures, or the image is upside down, set id=maixcam or id=maixcam_pro there"
	}
	c.Found += fmt.Sprintf(" (%s", b.Model)
	if b.Image != "" {
		c.Found += ", image " + b.Image
	}
	c.Found += ")"
	return c
}

// notMaixCAM states that this is not a MaixCAM, and what works nevertheless.
func notMaixCAM(source string) Check {
	c := Check{Name: "board", Status: Note}
	kind := fmt.Sprintf("%s/%s", runtime.GOOS, runtime.GOARCH)
	if model := sg2002.DescribeBoard().Model; model != "" {
		kind = model
	}
	c.Found = fmt.Sprintf("not a MaixCAM (%s): no camera or hardware encoder; test card, photographs, video files, webcams, "+
		"serving, pushing, receiving and recording work", kind)
	if strings.Contains(strings.ToLower(kind), "maixcam2") {
		c.Found = "not a MaixCAM but a MaixCAM2, which has another chip: its camera is not supported; files and webcams work"
	}
	if source == "camera" {
		c.Status = Wrong
		c.Remedy = "run it on the board (make flash HOST=… installs it there), or use another source: --source testcard, --source v4l2:/dev/video0"
	}
	return c
}

// encoder encodes a small picture.
func encoder() Check {
	c := Check{Name: "encoder", Status: OK}
	e, err := hw.NewEncoder()
	if err != nil {
		return Check{Name: "encoder", Status: Wrong, Found: err.Error(), Remedy: "build with cgo and libjpeg-turbo (make build), or with CGO_ENABLED=0 for Go's own encoder"}
	}
	defer func() { _ = e.Close() }()
	c.Found = e.Name() + " (software)"
	if _, err := hw.NoSignal("doctor", 64, 48); err != nil {
		c.Status, c.Found = Wrong, fmt.Sprintf("%s: %v", c.Found, err)
		c.Remedy = "install libjpeg-turbo (make setup) and build again"
	}
	return c
}

// videoEncoder checks whether H.264 is available.
func videoEncoder() Check {
	c := Check{Name: "H.264", Status: OK, Found: "OpenH264, " + openh264.Library}
	err := openh264.Available()
	switch {
	case errors.Is(err, openh264.ErrMissing):
		c.Status, c.Found, c.Remedy = Note, "none: "+openh264.Library+" cannot be opened",
			"apt install libopenh264-7, for /video.mp4, RTSP's /h264, and JPEGs of a source that is H.264"
	case err != nil:
		c.Status, c.Found, c.Remedy = Note, "none: "+err.Error(), "build with cgo (make build)"
	}
	return c
}

func webcams() Check {
	c := Check{Name: "webcams", Status: Note, Found: "none"}
	c.Items, _ = filepath.Glob("/dev/video*")
	var open []string
	for _, node := range c.Items {
		if mayOpen(node) {
			open = append(open, "--source v4l2:"+node)
		}
	}
	switch {
	case len(open) > 0:
		c.Status, c.Found = OK, firstFew(open)
	case len(c.Items) > 0:
		c.Found = firstFew(c.Items) + " not accessible to this user"
		c.Remedy = "add the user to the group video (usermod -aG video NAME) and log in again"
	}
	return c
}

// tuning looks for the ISP's colour tuning file.
func tuning() Check {
	const dir = "/mnt/cfg/param"
	files, _ := filepath.Glob(sg2002.Root(dir + "/cvi_sdr_bin*"))
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if len(files) == 0 {
		return Check{
			Name: "tuning", Status: Note, Found: "no cvi_sdr_bin in " + dir + ": colours will be wrong",
			Remedy: "restore /mnt/cfg/param from the board's image",
		}
	}
	return Check{Name: "tuning", Status: OK, Found: fmt.Sprintf("%s in %s", firstFew(files), dir), Items: files}
}

// Address is an address of this machine.
type Address struct{ Interface, IP string }

func interfaceAddresses() ([]Address, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []Address
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil || i.Flags&net.FlagUp == 0 {
			continue
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && (n.IP.IsGlobalUnicast() || n.IP.To4() != nil && n.IP.IsLinkLocalUnicast()) {
				list = append(list, Address{i.Name, n.IP.String()})
			}
		}
	}
	return list, nil
}

// network lists the addresses at which others reach this machine; without is the status if there are none.
func network(addresses func() ([]Address, error), without Status) Check {
	c := Check{Name: "network", Status: OK}
	list, err := addresses()
	if err == nil && len(list) == 0 {
		err = errors.New("no address besides loopback")
	}
	if err != nil {
		c.Status, c.Found = without, err.Error()
		c.Remedy = "connect Wi-Fi (on a MaixCAM: Settings, WiFi, or /boot/wifi.ssid and /boot/wifi.pass), a cable, or USB networking"
		return c
	}
	for _, a := range list {
		c.Items = append(c.Items, a.Interface+" "+a.IP)
	}
	c.Found = firstFew(c.Items)
	if name, err := os.Hostname(); err == nil && name != "" && without == Wrong {
		c.Found += "; " + strings.TrimSuffix(name, ".local") + ".local"
	}
	return c
}
