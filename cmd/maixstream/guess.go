package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// otherNames maps flags of µStreamer, mjpg-streamer and others to the equivalent here.
var otherNames = map[string]string{ //nolint:gosec // flag names, some of them for passwords
	"port": "--listen :8000", "p": "--listen :8000", "bind": "--listen ADDRESS:8000", "address": "--listen ADDRESS:8000",
	"host": "--listen ADDRESS:8000", "device": "--source /dev/video0", "d": "--source /dev/video0", "input": "--source", "i": "--source", "camera": "--source camera",
	"resolution": "--size 640x480", "r": "--size 640x480", "width": "--size 640x480", "height": "--size 640x480",
	"framerate": "--fps 30", "desired-fps": "--fps 30", "f": "--fps 30", "rate": "--fps 30", "slowdown": "--idle-fps 1", "jpeg-quality": "--quality 80",
	"rotation": "--rotate 90", "hflip": "--mirror", "vflip": "--flip", "flip-vertical": "--flip", "flip-horizontal": "--mirror",
	"user": "--auth-file FILE", "passwd": "--auth-file FILE", "password": "--auth-file FILE", "username": "--auth-file FILE", "token": "--token-file FILE",
	"static": "--html FILE", "www": "--html FILE", "allow-origin": "--cors ORIGIN", "unix-rm": "--unix PATH (an old socket is replaced)", "output": "--record DIR",
	"cert": "--tls-cert FILE", "key": "--tls-key FILE", "verbose": "--log-level debug", "debug": "--log-level debug", "title": "--name NAME",
}

// explainFlags adds to a command line parser's error what was probably meant.
func explainFlags(err error, flags *pflag.FlagSet) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	name := unknown.GetSpecifiedName()
	if ours, ok := otherNames[name]; ok {
		flag, _, _ := strings.Cut(strings.TrimPrefix(ours, "--"), " ")
		if flags.Lookup(flag) != nil {
			return fmt.Errorf("%w: use %s", err, ours)
		}
	}
	if near := nearest(name, flagNames(flags)); near != "" {
		return fmt.Errorf("%w: did you mean --%s?", err, near)
	}
	return err
}

// flagNames returns the names of the flags that help lists.
func flagNames(flags *pflag.FlagSet) (names []string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// nearest returns the word that a typo probably stands for, "" if none is close.
func nearest(typo string, words []string) string {
	best, least := "", 3
	for _, word := range words {
		if d := distance(typo, word); d < least && d < (len(word)+1)/2 {
			best, least = word, d
		}
	}
	if best == "" && len(typo) >= 3 { // a prefix, such as --tok for --token-file
		for _, word := range words {
			if strings.HasPrefix(word, typo) {
				return word
			}
		}
	}
	return best
}

// distance counts the letters inserted, omitted, changed or swapped with their neighbours between two words.
func distance(a, b string) int {
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			changed := last[j-1]
			if a[i-1] != b[j-1] {
				changed++
			}
			now[j] = min(last[j]+1, now[j-1]+1, changed)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
