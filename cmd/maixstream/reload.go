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

// reloadable are the flags that a running serve follows; the others need a new start.
var reloadable = map[string]bool{
	"size": true, "fps": true, "quality": true, "flip": true, "mirror": true, "rotate": true, "overlay": true, "idle-fps": true,
	"bitrate": true, "gop": true, "max-clients": true, "html": true, "cors": true, "host": true, "frame-ancestors": true, "trusted-proxy": true,
	"auth-file": true, "token-file": true, "tls-cert": true, "tls-key": true,
	"report": true, "log-level": true,
}

// again reads the command line, the environment and the configuration file once more, from the beginning.
func (s *serveFlags) again(t terminal) (*serveFlags, error) {
	flags := pflag.NewFlagSet(s.flags.Name(), pflag.ContinueOnError)
	fresh := addServeFlags(flags)
	if err := readAgain(flags, t); err != nil {
		return nil, err
	}
	return fresh, fresh.check()
}

// reload follows the configuration as it is now, as far as that goes while pictures are streamed. Passwords, tokens and certificates
// are read again in any case. On an error everything stays as it was.
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

// follow takes over the fresh values of reloadable flags, says which those are, and logs which changes wait for a new start.
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

// same says whether two values of a flag are. Text does not tell of those that hide secrets.
func same(a, b pflag.Value) bool {
	if list, ok := a.(pflag.SliceValue); ok {
		return slices.Equal(list.GetSlice(), b.(pflag.SliceValue).GetSlice())
	}
	return a.String() == b.String()
}

// changeOf is what the pipeline has to do about changed flags. Others stay as they are, as somebody may have set them by the page.
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

// changeSource asks the pipeline for what is pending; while the source is away it stays so.
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
