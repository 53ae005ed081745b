// Command maixstream streams a camera's pictures as JPEG over HTTP, pushes pictures to a server, and receives pushed pictures.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interrupted is the exit code that shells give to programs ended by SIGINT.
const interrupted = 130

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		// Some waits cannot be interrupted, such as opening a pipe, given as a file of passwords, that nobody writes to: another Ctrl-C ends the program at
		// once. Not a prompt one: timeout(1) and terminals' shells deliver the same signal twice.
		time.Sleep(time.Second)
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt)
		<-again
		os.Exit(interrupted)
	})
	code := run(ctx, os.Args[1:], terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv})
	os.Exit(code)
}
