#!/bin/sh
# Runs the example over real flights from the beginning: progress, then what lies in the output directory.
set -e
cd "$(dirname "$0")/flights"
rm -rf delays.streamsql out
"${STREAMSQL:-../../bin/streamsql}" run delays.sql
echo
echo "The worst days, from out/*.csv:"
head -n 1 out/part-*.csv
tail -q -n +2 out/part-*.csv | sort -t, -k5 -rn | head -n 8
echo
echo "Run it again: it goes on where it was, and nothing is delivered twice."
"${STREAMSQL:-../../bin/streamsql}" run delays.sql
