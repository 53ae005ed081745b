// Command maixstream streams a camera's pictures as JPEG over HTTP, pushes pictures to a server, and receives pushed pictures.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// endWithin is much longer than an orderly end takes, and shorter than the packaged service's TimeoutStopSec=.
const endWithin = 8 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		// A signal a second later ends the program at once. Not a prompt one: timeout(1) and terminals' shells deliver the same signal twice.
		time.AfterFunc(time.Second, stop)
		// Some waits cannot be interrupted, such as opening a pipe, given as a file of passwords, that nobody writes to.
		time.AfterFunc(endWithin, func() {
			fmt.Fprintf(os.Stderr, "maixstream: something did not end within %v of the signal; exiting\n", endWithin)
			os.Exit(exitFailed)
		})
	})
	code := run(ctx, os.Args[1:], terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv})
	os.Exit(code)
}
