module github.com/maixstream/maixstream

go 1.26.0

require (
	github.com/goccy/go-yaml v1.19.2
	github.com/spf13/pflag v1.1.0
	golang.org/x/sys v0.49.0
)
