//go:build noduck

package main

import "github.com/streamsql/streamsql/bench/harness"

var optionalSides []harness.Side
