package main

import (
	"errors"
	"fmt"
	"image/color"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/record"
	"github.com/maixstream/maixstream/server/rtsp"
	"github.com/maixstream/maixstream/server/stream"
	"github.com/maixstream/maixstream/server/web"
)

// sourceFlags say where pictures come from and how they look; serve, push, snapshot and bench share them.
type sourceFlags struct {
	source    *string
	size      sizeValue
	fps       fpsValue
	quality   rangeValue
	encoder   *choiceValue
	workers   rangeValue
	path      *choiceValue
	mpiLibDir *string
	sensor    *string
	fit       *choiceValue
	still     *bool // of serve alone
	flip      *bool
	mirror    *bool
	rotate    *choiceValue
	overlay   *string
	loop      *bool
	recursive *bool
	// background is beneath what is transparent in photographs.
	background colorValue
	// sourceAuth is a file with the credentials for a URL.
	sourceAuth *string
	set        *pflag.FlagSet // which of them were given
	paced      bool           // fps follows from another flag
	control    *[]string
	zoom       zoomValue
	pan        panValue
	state      *stateFile       // nil: nothing is kept
	kept       *stream.Settings // that somebody wanted kept; nil: none
	// instrument, when not nil, is given the pipeline's configuration before that is used.
	instrument func(*pipeline.Config)
	video      *videoFlags // of serve alone; nil: there is no H.264
}

func addSourceFlags(flags *pflag.FlagSet) *sourceFlags {
	s := &sourceFlags{
		set: flags, still: new(bool), background: colorValue{"white", color.White},
		zoom: 1, pan: panValue{0.5, 0.5},
		size: sizeValue{640, 480}, fps: 30, quality: rangeValue{80, 1, 100}, workers: rangeValue{0, 0, 64},
		encoder: choice("auto", "hardware", "software"),
		path:    choice("frame", "bound"),
		fit:     choice("crop", "pad", "stretch"),
		rotate:  choice("0", "90", "180", "270"),
	}
	s.source = flags.StringP("source", "s", "auto", "where pictures come from: auto (the camera of a MaixCAM, else the test card), camera, testcard, "+
		"/dev/videoN (a webcam), a folder of photographs, an .mjpeg, .avi, .h264 or .y4m `FILE`, - for MJPEG, H.264 or Y4M on standard input, "+
		"or a URL: another server's stream (http://HOST:8000/stream), or a picture that is requested repeatedly")
	s.sourceAuth = flags.String("source-auth-file", "", "log in to a --source URL with the user:password in the first line of this `FILE` (Basic or Digest)")
	flags.Var(&s.size, "size", "picture size in pixels")
	flags.Var(&s.fps, "fps", "maximum frames per second; by default a file plays at its own rate, and a picture's URL is requested once a second")
	flags.VarP(&s.quality, "quality", "q", "JPEG quality")
	flags.Var(s.encoder, "encoder", "JPEG encoder; auto: hardware if available")
	flags.Var(&s.workers, "workers", "parallel software encoders; 0: one per core")
	s.loop = flags.Bool("loop", true, "restart a file at its end")
	s.recursive = flags.Bool("recursive", false, "include photographs in subfolders")
	flags.Var(&s.background, "background", "color behind transparent photographs: white, black or #RRGGBB")
	s.flip = flags.Bool("flip", false, "flip the image vertically")
	s.mirror = flags.Bool("mirror", false, "mirror the image horizontally")
	flags.Var(s.rotate, "rotate", "rotate the image clockwise, in degrees")
	s.overlay = flags.String("overlay", "", "draw `TEXT` on the image; strftime fields such as %H:%M:%S give the capture time")
	s.control = flags.StringArray("control", nil, "set a camera control, `NAME=VALUE`; repeatable (maixstream controls lists them); "+
		"or say who may change things: open, auth, local or off")
	flags.Var(&s.zoom, "zoom", "digital zoom factor")
	flags.Var(&s.pan, "pan", "with --zoom: the visible part, from 0,0 (top left) to 1,1")
	flags.Var(s.path, "path", "camera: pass frames to the encoder by handle, or bind scaler and encoder in hardware")
	flags.Var(s.fit, "fit", "camera: how to fit the sensor's aspect ratio to --size")
	s.sensor = flags.String("sensor", "auto", "camera: sensor `NAME`, if detection fails")
	s.mpiLibDir = flags.String("mpi-lib-dir", "", "camera: `DIR` with the chip's libraries, if not in the usual places")
	return s
}

// serveFlags are the flags of serve alone.
type serveFlags struct {
	*sourceFlags
	*logFlags
	idleFPS      fpsValue
	flags        *pflag.FlagSet
	listen       *[]string
	rtsp         *string
	rtsps        *string
	announced    *bool
	name         *string
	unix         *string
	maxClients   rangeValue
	html         *string
	guard        *guardFlags
	rights       web.Control // the word among --control
	stallTimeout *time.Duration
	record       *string
	recordMax    bytesValue
	recordAs     *choiceValue
	stateFile    *string
	webrtc       *webrtcFlags
	report       *time.Duration
	pushes       *[]string
	pushEvery    *time.Duration
	target       *targetFlags
	publish      *publishFlags
}

func addServeFlags(flags *pflag.FlagSet) *serveFlags {
	s := &serveFlags{sourceFlags: addSourceFlags(flags), flags: flags, idleFPS: 1, maxClients: rangeValue{0, 0, 100000}, recordMax: 1 << 30, recordAs: choice("avi", "mp4")}
	s.still = flags.Bool("full-snapshot", false, "allow /snapshot?full=1, a picture of the camera's full size beside a smaller stream: a\n"+
		"MaixCAM reserves 13 MB for it, a webcam's stream pauses for some seconds")
	s.video = addVideoFlags(flags)
	s.webrtc = addWebRTCFlags(flags)
	flags.Var(&s.idleFPS, "idle-fps", "frames per second while there are no viewers")
	s.listen = flags.StringSlice("listen", []string{":8000"}, "`ADDRESS`es to listen on, host:port; \"\" with --unix: none")
	s.unix = flags.String("unix", "", "also listen on the Unix socket `PATH`")
	s.rtsp = flags.String("rtsp", "", "also serve RTSP (H.264 and RTP/JPEG) on this `ADDRESS`, such as :8554")
	s.rtsps = flags.String("rtsps", "", "also serve RTSP over TLS on this `ADDRESS`, such as :8322, with the certificate of --tls-cert")
	s.announced = flags.Bool("announce", true, "announce the streams by mDNS (for maixstream find and others)")
	s.name = flags.String("name", "", "`NAME` of this stream in page titles, at sign-in and in maixstream find; the host name and port by default")
	flags.Var(&s.maxClients, "max-clients", "maximum concurrent viewers of /stream; 0: unlimited")
	s.html = flags.String("html", "", "your own page: an HTML `FILE` with <img src=\"/stream\">")
	s.guard = addGuardFlags(flags, "read the streams")
	s.stallTimeout = flags.Duration("stall-timeout", 10*time.Second, "disconnect viewers that read nothing for this long")
	s.record = flags.String("record", "", "record to this `DIR`")
	flags.Var(s.recordAs, "record-as", "record every JPEG in AVI files, or H.264 in MP4 files")
	flags.Var(&s.recordMax, "record-max", "delete the oldest files above this total")
	s.stateFile = flags.String("state-file", "", "keep the camera's controls, and settings on request, in this `FILE` across restarts; none: don't\n"+
		"(default state.json in systemd's StateDirectory, else ~/.local/state/maixstream)")
	s.pushes = flags.StringArray("push", nil, "also send pictures to this `URL`; repeatable, none slows another or the stream")
	s.pushEvery = flags.Duration("push-every", time.Second, "--push: time between pictures; 0: every frame")
	s.target = addTargetFlags(flags, "push-", "--push: ")
	s.publish = addPublishFlags(flags)
	s.report = flags.Duration("report", time.Minute, "print fps and ms this often, 0: never. On a terminal, unless given: one line, updated each second")
	s.logFlags = addLogFlags(flags)
	return s
}

// check reports flags that contradict each other, before anything is opened.
func (s *serveFlags) check() error {
	s.rights = s.takeRights()
	if err := s.guard.check(); err != nil {
		return err
	}
	switch {
	case *s.rtsps != "" && *s.guard.tlsCert == "":
		return usagef("--rtsps %s: needs --tls-cert and --tls-key", *s.rtsps)
	case *s.stallTimeout <= 0:
		return usagef("--stall-timeout %v: must be more than 0", *s.stallTimeout)
	case *s.report < 0:
		return usagef("--report %v: must not be negative", *s.report)
	case *s.pushEvery < 0:
		return usagef("--push-every %v: must not be negative", *s.pushEvery)
	case *s.record != "" && s.recordMax < record.MinBytes:
		return usagef("--record-max %s: at least 1MiB", s.recordMax.String())
	case *s.record != "" && s.recordAs.value == "mp4" && s.video.h264.value == "off":
		return usagef("--record-as mp4: there is no H.264 with --h264 off")
	case s.idleFPS > s.fps:
		s.idleFPS = s.fps
	}
	for i := range *s.listen {
		(*s.listen)[i] = listenAddress((*s.listen)[i])
	}
	for name, address := range map[string]*string{"rtsp": s.rtsp, "rtsps": s.rtsps} {
		if *address == "" {
			continue
		}
		*address = listenAddress(*address)
		if err := rtsp.CheckAddress(*address); err != nil {
			return usagef("--%s: %s", name, inWords(err, ""))
		}
	}
	if err := s.video.check(); err != nil {
		return err
	}
	if err := s.publish.check(s.video.h264.value); err != nil {
		return err
	}
	return s.sourceFlags.check()
}

// takeRights takes the word that says who may change things out of --control, which otherwise has controls of the camera; "": there is none.
func (s *serveFlags) takeRights() (c web.Control) {
	*s.control = slices.DeleteFunc(*s.control, func(text string) bool {
		switch word := web.Control(text); word {
		case web.ControlOpen, web.ControlAuth, web.ControlLocal, web.ControlOff:
			c = word
			return true
		}
		return false
	})
	return c
}

// listenGiven says whether --listen was given in any way.
func (s *serveFlags) listenGiven() bool { return s.flags.Changed("listen") }

var errBoardOnly = errors.New("only the camera of a MaixCAM has it")

// check reports source flags that contradict each other.
func (s *sourceFlags) check() error {
	*s.source = sourceName(*s.source)
	for _, text := range *s.control {
		if name, value, ok := strings.Cut(text, "="); !ok || name == "" || value == "" {
			return usagef("--control %q: want NAME=VALUE, such as brightness=120", text)
		}
	}
	if s.encoder.value == "hardware" && *s.source != "auto" && *s.source != "camera" {
		return usageError{fmt.Errorf("--encoder hardware with --source %s: %w", *s.source, errBoardOnly)}
	}
	return nil
}
