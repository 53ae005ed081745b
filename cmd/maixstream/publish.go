//go:build !nopublish

package main

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/pipeline"
	"github.com/maixstream/maixstream/pipeline/publish"
)

// publishFlags select the servers to which H.264 is published.
type publishFlags struct {
	addresses secretsValue
	caFile    *string
}

func addPublishFlags(flags *pflag.FlagSet) *publishFlags {
	p := &publishFlags{addresses: secretsValue{shown: publish.Shown}}
	flags.Var(&p.addresses, "publish", "also send H.264 to this `URL`, rtmp://HOST/APP/KEY, rtmps://, rtsp://HOST/PATH or rtsps://, or the one in a file, file:PATH, "+
		"which keeps the key secret; repeatable")
	p.caFile = flags.String("publish-ca-file", "", "--publish: also trust the certificates in this `FILE` (PEM)")
	return p
}

// check rejects invalid addresses.
func (p *publishFlags) check(h264 string) error {
	if len(p.addresses.list) > 0 && h264 == "off" {
		return usagef("--publish needs H.264: remove --h264 off")
	}
	for _, address := range p.addresses.list {
		if err := publish.Check(address); err != nil {
			return usagef("--publish: %s", inWords(err, ""))
		}
	}
	return nil
}

// publications are the servers to which H.264 is published.
type publications struct {
	publishers []*publish.Publisher
	cancel     context.CancelFunc
	running    sync.WaitGroup
}

// start starts publishing the feed to every server.
func (p *publishFlags) start(source *pipeline.Video, t terminal, log *zap.Logger) (*publications, error) {
	all := &publications{}
	for _, address := range p.addresses.list {
		one, err := publish.New(publish.Config{Address: address, Source: source, CAFile: *p.caFile, Log: log})
		if err != nil {
			return nil, usagef("--publish: %s", inWords(err, ""))
		}
		all.publishers = append(all.publishers, one)
		if publish.SecretFile(address) == "" && slices.ContainsFunc(t.args, func(arg string) bool { return strings.Contains(arg, address) }) {
			log.Warn("URL visible in the process list; put it into a file: --publish file:PATH",
				zap.String("url", publish.Shown(address)))
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	all.cancel = cancel
	for _, one := range all.publishers {
		all.running.Go(func() { _ = one.Run(ctx) }) // returns only when ctx ends
	}
	return all, nil
}

// state returns their part of /state.
func (p *publications) state() []publish.State {
	list := make([]publish.State, len(p.publishers))
	for i, one := range p.publishers {
		list[i] = one.State()
	}
	return list
}

func (p *publications) close() {
	p.cancel()
	p.running.Wait()
}

// secretsValue is a list flag that prints without its secrets.
type secretsValue struct {
	list  []string
	shown func(string) string
}

var _ pflag.SliceValue = (*secretsValue)(nil)

// Type implements pflag.Value.
func (*secretsValue) Type() string { return "stringArray" }

// String implements pflag.Value.
func (s *secretsValue) String() string {
	shown := make([]string, len(s.list))
	for i, one := range s.list {
		shown[i] = s.shown(one)
	}
	return "[" + strings.Join(shown, ",") + "]"
}

// Set implements pflag.Value.
func (s *secretsValue) Set(text string) error { return s.Append(text) }

// Append implements pflag.SliceValue.
func (s *secretsValue) Append(text string) error {
	s.list = append(s.list, text)
	return nil
}

// Replace implements pflag.SliceValue.
func (s *secretsValue) Replace(list []string) error {
	s.list = list
	return nil
}

// GetSlice implements pflag.SliceValue.
func (s *secretsValue) GetSlice() []string { return s.list }
