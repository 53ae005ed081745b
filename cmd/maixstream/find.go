package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/maixstream/maixstream/internal/discover"
)

func setupFind(flags *pflag.FlagSet) func(context.Context, []string, terminal) error {
	wait := flags.Duration("wait", 3*time.Second, "how long to listen for answers")
	return func(ctx context.Context, _ []string, t terminal) error {
		if *wait <= 0 {
			return usagef("--wait %v: must be more than 0", *wait)
		}
		ctx, cancel := context.WithTimeout(ctx, *wait)
		defer cancel()
		found, err := discover.Find(ctx)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			fmt.Fprintf(t.err, "nothing answered in %v: is the board on this network, and does it run maixstream serve?\n", *wait)
			return errReported
		}
		table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
		for _, f := range found {
			for i, url := range f.URLs {
				name, host := f.Name, f.Host
				if i > 0 {
					name, host = "", ""
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, host, url, f.Version)
			}
		}
		return table.Flush()
	}
}
