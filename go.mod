module github.com/maixstream/maixstream

go 1.26.0

require (
	github.com/goccy/go-yaml v1.19.2
	github.com/spf13/pflag v1.1.0
	go.uber.org/zap v1.28.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/pixiv/go-libjpeg v0.0.0-20190822045933-3da21a74767d // indirect
	golang.org/x/image v0.47.0 // indirect
)

require (
	github.com/dustin/go-humanize v1.1.0
	go.uber.org/multierr v1.10.0 // indirect
)
