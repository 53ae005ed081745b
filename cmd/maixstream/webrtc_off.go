//go:build nowebrtc

package main

import (
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/maixstream/maixstream/server/stream"
)

// webrtcFlags are empty in a program built without WebRTC.
type webrtcFlags struct{}

func addWebRTCFlags(*pflag.FlagSet) *webrtcFlags { return &webrtcFlags{} }

func (*webrtcFlags) start(*serveFlags, *zap.Logger) (stream.WebRTC, error) { return nil, nil }

func (*webrtcFlags) explain(*zap.Logger) {}

func (*webrtcFlags) close() {}
