package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/hw"
	"github.com/maixstream/maixstream/hw/frame"
	"github.com/maixstream/maixstream/hw/source"
	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/server/stream"
)

// controlled is where controls are listed and set: a local device, or a running server's camera.
type controlled interface {
	list(ctx context.Context) (stream.ControlList, error)
	// set applies NAME=VALUE settings, after resetting everything else to its default if reset.
	set(ctx context.Context, texts []string, reset bool) (stream.ControlList, error)
	close() error
}

func setupControls(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	name := flags.StringP("source", "s", "auto", "camera, as for serve's --source, or a running server:\nhttp://HOST:8000 (with ?token=… if it "+
		"requires one)")
	reset := flags.Bool("reset", false, "reset all controls to their defaults first")
	asJSON := flags.Bool("json", false, "print JSON, as /api/controls does")
	return func(ctx context.Context, args []string, t terminal) error {
		for _, arg := range args {
			if name, value, ok := strings.Cut(arg, "="); !ok || name == "" || value == "" {
				return usagef("%q: want NAME=VALUE, such as brightness=120", arg)
			}
		}
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		camera, err := openControlled(*name)
		if err != nil {
			return err
		}
		defer func() { _ = camera.close() }()
		var list stream.ControlList
		if len(args) > 0 || *reset {
			list, err = camera.set(ctx, args, *reset)
		} else {
			list, err = camera.list(ctx)
		}
		if err != nil {
			var refused *frame.ControlError
			if errors.As(err, &refused) && refused.Err == nil {
				return usageError{err}
			}
			return err
		}
		noteClamped(t.err, list, controlWishes(args))
		if *asJSON {
			e := json.NewEncoder(t.out)
			e.SetIndent("", "  ")
			return e.Encode(list)
		}
		if len(list.Controls) == 0 {
			fmt.Fprintf(t.err, "source %s has no controls; choose another one with --source\n", *name)
			return nil
		}
		return printControls(t.out, list)
	}
}

func openControlled(name string) (controlled, error) {
	if source.IsURL(name) {
		u, err := url.Parse(name)
		if err != nil || u.Host == "" {
			return nil, usagef("--source %s: not a URL such as http://HOST:8000", name)
		}
		return &remoteControls{u}, nil
	}
	if c, done, err := source.OpenControls(name); err == nil {
		return &localControls{c, done}, nil
	} else if !errors.Is(err, source.ErrNoControlsAlone) {
		return nil, err
	}
	opened, err := hw.OpenSource(hw.SourceConfig{Name: name, Width: 640, Height: 480, FPS: 30, Quality: 80})
	if err != nil {
		return nil, fmt.Errorf("%w (while another program streams from it: --source http://HOST:8000)", err)
	}
	c, ok := opened.(frame.Controller)
	if !ok {
		c = noControls{}
	}
	return &localControls{c, opened.Close}, nil
}

// noControls is a source without controls.
type noControls struct{}

func (noControls) Controls() ([]frame.Control, error) { return nil, nil }
func (noControls) SetControls(_ context.Context, values []frame.ControlValue) error {
	return frame.CheckControls(nil, values)
}
func (noControls) ControlsChanged() <-chan struct{} { return nil }

// localControls are those of a device on this machine.
type localControls struct {
	frame.Controller
	done func() error
}

func (l *localControls) close() error { return l.done() }

func (l *localControls) list(context.Context) (stream.ControlList, error) {
	list, err := l.Controls()
	return stream.Controls(list), err
}

func (l *localControls) set(ctx context.Context, texts []string, reset bool) (stream.ControlList, error) {
	list, err := l.Controls()
	if err != nil {
		return stream.ControlList{}, err
	}
	var values []frame.ControlValue
	wanted, err := pipeline.Understand(list, controlWishes(texts))
	if err != nil {
		return stream.ControlList{}, err
	}
	for i := range list {
		if c := &list[i]; reset && c.Kind != frame.Button && c.Locked == "" && !c.Neutral() {
			values = append(values, frame.ControlValue{Name: c.Name, Value: c.Default})
		}
	}
	if err := l.SetControls(ctx, append(values, wanted...)); err != nil {
		return stream.ControlList{}, err
	}
	return l.list(ctx)
}

// remoteControls are those of a running server's camera.
type remoteControls struct{ base *url.URL }

func (*remoteControls) close() error { return nil }

func (r *remoteControls) list(ctx context.Context) (stream.ControlList, error) {
	return r.ask(ctx, http.MethodGet, nil)
}

func (r *remoteControls) set(ctx context.Context, texts []string, reset bool) (stream.ControlList, error) {
	change := map[string]any{}
	if reset {
		list, err := r.list(ctx)
		if err != nil {
			return list, err
		}
		for _, c := range list.Controls {
			if c.Value != nil && c.Locked == "" {
				change[c.Name] = nil
			}
		}
	}
	for _, w := range controlWishes(texts) {
		change[w.Name] = w.Text
		if v, err := strconv.ParseInt(w.Text, 0, 64); err == nil {
			change[w.Name] = v
		}
	}
	body, err := json.Marshal(change)
	if err != nil {
		return stream.ControlList{}, err
	}
	return r.ask(ctx, http.MethodPatch, body)
}

func (r *remoteControls) ask(ctx context.Context, method string, body []byte) (list stream.ControlList, err error) {
	u := *r.base
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/stream"), "/") + "/api/controls"
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return list, err
	}
	request.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return list, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	if err != nil {
		return list, err
	}
	if reply.StatusCode != http.StatusOK {
		var problem struct{ Error string }
		if json.Unmarshal(text, &problem) != nil || problem.Error == "" {
			problem.Error = "server replied " + reply.Status
			if reply.StatusCode == http.StatusUnauthorized {
				problem.Error += ": give a user and password in the URL, http://USER:PASSWORD@HOST:8000, or a token, http://HOST:8000/?token=TOKEN"
			}
		}
		if reply.StatusCode == http.StatusUnprocessableEntity {
			return list, usageError{errors.New(problem.Error)}
		}
		return list, errors.New(problem.Error)
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return list, fmt.Errorf("%s: not a maixstream server: %w", u.Redacted(), err)
	}
	return list, nil
}

// noteClamped reports numbers that the device replaced with a neighbouring value.
func noteClamped(w io.Writer, list stream.ControlList, wishes []pipeline.ControlWish) {
	for _, wish := range wishes {
		given, err := strconv.ParseInt(wish.Text, 0, 64)
		for i := range list.Controls {
			if c := &list.Controls[i]; err == nil && c.Name == wish.Name && c.Value != nil && *c.Value != given && !c.Inactive {
				fmt.Fprintf(w, "%s=%d: the device chose %d\n", c.Name, given, *c.Value)
			}
		}
	}
}

// printControls prints controls as a table.
func printControls(w io.Writer, list stream.ControlList) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range list.Controls {
		c := &list.Controls[i]
		if c.Value == nil {
			fmt.Fprintf(table, "%s\t\tbutton\t%s\n", c.Name, remark(c))
			continue
		}
		takes := fmt.Sprintf("%d to %d", *c.Minimum, *c.Maximum)
		if *c.Step > 1 {
			takes += fmt.Sprintf(" in steps of %d", *c.Step)
		}
		shown := fmt.Sprint(*c.Value)
		switch c.Kind {
		case "boolean":
			takes = "0 or 1"
		case "menu":
			var choices []string
			for _, item := range c.Menu {
				choices = append(choices, fmt.Sprintf("%d %s", item.Value, item.Name))
				if item.Value == *c.Value {
					shown += " " + item.Name
				}
			}
			takes = strings.Join(choices, ", ")
		}
		if c.Unit != "" {
			shown += " " + c.Unit
		}
		fmt.Fprintf(table, "%s\t%s\t%s (default %d)\t%s\n", c.Name, shown, takes, *c.Default, remark(c))
	}
	return table.Flush()
}

// remark returns why a control has no effect now.
func remark(c *stream.Control) string {
	switch {
	case c.Locked != "":
		return c.Locked
	case c.Inactive && c.Automatic != "":
		return "managed by " + c.Automatic
	case c.Inactive:
		return "inactive"
	}
	return ""
}
