// Command streamsql runs continuous SQL.
package main

import (
	"fmt"
	"os"
)

// version is set by the build.
var version = ""

func main() {
	if err := rootCommand().Execute(); err != nil {
		if !shown(err) {
			fmt.Fprintln(os.Stderr, "streamsql: "+err.Error())
		}
		os.Exit(exitCode(err))
	}
}
