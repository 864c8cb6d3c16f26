//go:build !noduck

package main

import (
	"github.com/streamsql/streamsql/bench/duck"
	"github.com/streamsql/streamsql/bench/harness"
)

// optionalSides are those that a build tag leaves out.
var optionalSides = []harness.Side{duck.Side}
