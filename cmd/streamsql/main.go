// Command streamsql runs continuous SQL.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/streamsql/streamsql/internal/collector"
)

// version is set by the build.
var version = ""

func main() {
	collector.Tune(context.Background())
	if err := rootCommand().Execute(); err != nil {
		if !shown(err) {
			fmt.Fprintln(os.Stderr, "streamsql: "+err.Error())
		}
		os.Exit(exitCode(err))
	}
}
