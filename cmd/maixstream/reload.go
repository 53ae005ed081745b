package main

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/spf13/pflag"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/maixstream/maixstream/pipeline"
)

// reloadable are the flags that a running serve applies; the others take effect at the next start.
var reloadable = map[string]bool{
	"size": true, "fps": true, "quality": true, "flip": true, "mirror": true, "rotate": true, "overlay": true, "idle-fps": true,
	"bitrate": true, "gop": true, "max-clients": true, "html": true, "cors": true, "host": true, "frame-ancestors": true, "trusted-proxy": true,
	"auth-file": true, "token-file": true, "tls-cert": true, "tls-key": true,
	"report": true, "log-level": true,
}

// again rereads the command line, the environment and the configuration file from scratch.
func (s *serveFlags) again(t terminal) (*serveFlags, error) {
	flags := pflag.NewFlagSet(s.flags.Name(), pflag.ContinueOnError)
	fresh := addServeFlags(flags)
	if err := readAgain(flags, t); err != nil {
		return nil, err
	}
	return fresh, fresh.check()
}

// reload applies the current configuration as far as possible while streaming. Passwords, tokens and certificates
// are always read again. On an error everything stays unchanged.
func (s *service) reload(ctx context.Context) {
	fresh, err := s.flags.again(s.terminal)
	if err != nil {
		s.log.Error("reload: invalid configuration; keeping the current one", zap.Error(err))
		return
	}
	page, err := fresh.page()
	if err == nil {
		err = s.web.Reload(fresh.webConfig(s.log))
	}
	if err != nil {
		s.log.Error("reload refused; keeping the current configuration", zap.Error(err))
		return
	}
	s.stream.SetHTML(page)
	changed := s.follow(fresh)
	if level, err := zapcore.ParseLevel(s.flags.level.value); err == nil {
		s.flags.now.SetLevel(level)
	}
	s.pipeline.SetIdleFPS(float64(s.flags.idleFPS))
	s.media.setMaxReaders(s.flags.maxClients.value)
	s.log.Info("configuration, passwords and certificates reloaded", zap.Strings("changed", changed))
	s.pending = append(s.pending, changed...)
	s.changeSource(ctx)
}

// follow adopts new values of reloadable flags, returns their names, and logs which changes take effect only at the next start.
func (s *service) follow(fresh *serveFlags) (changed []string) {
	s.flags.flags.VisitAll(func(running *pflag.Flag) {
		then := fresh.flags.Lookup(running.Name).Value
		wanted := then.String()
		switch {
		case same(running.Value, then):
		case !reloadable[running.Name]:
			s.log.Warn("reload: takes effect at the next start",
				zap.String("setting", running.Name), zap.String("now", running.Value.String()), zap.String("then", wanted))
		case running.Value.Set(wanted) == nil:
			changed = append(changed, running.Name)
		}
	})
	return changed
}

// same reports whether two values of a flag are equal. Their texts do not suffice where secrets are hidden.
func same(a, b pflag.Value) bool {
	if list, ok := a.(pflag.SliceValue); ok {
		return slices.Equal(list.GetSlice(), b.(pflag.SliceValue).GetSlice())
	}
	return a.String() == b.String()
}

// changeOf returns the pipeline's change for changed flags. Other settings stay, since they may have been set on the page.
func (s *serveFlags) changeOf(changed []string) (c pipeline.Change) {
	for _, name := range changed {
		switch name {
		case "quality":
			c.Quality = &s.quality.value
		case "fps":
			fps := float64(s.fps)
			c.FPS = &fps
		case "size":
			size := s.size
			c.Width, c.Height = &size.width, &size.height
		case "mirror":
			c.Mirror = s.mirror
		case "flip":
			c.Flip = s.flip
		case "rotate":
			degrees, _ := strconv.Atoi(s.rotate.value)
			c.Rotate = &degrees
		case "overlay":
			c.Overlay = s.overlay
		case "bitrate":
			bitrate := int(s.video.bitrate)
			c.Bitrate = &bitrate
		case "gop":
			gop := s.video.gop.Seconds()
			c.GOP = &gop
		}
	}
	return c
}

// changeSource applies pending changes to the pipeline; they remain pending while the source is unavailable.
func (s *service) changeSource(ctx context.Context) {
	_, err := s.pipeline.Change(ctx, s.flags.changeOf(s.pending))
	var refused *pipeline.SettingError
	if errors.As(err, &refused) && refused.Name == "source" {
		return
	}
	if err != nil {
		s.log.Error("reload: source refused a setting; keeping its settings", zap.Error(err))
	}
	s.pending = nil
}
