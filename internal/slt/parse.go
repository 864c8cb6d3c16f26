// Package slt runs query scripts in sqllogictest's form, with a few words more for streams. It is both the runner of testdata/queries and
// the users' `streamsql test`. docs/testing.md is the reference of the form.
package slt

import (
	"fmt"
	"strings"
)

// Kind is the kind of a record.
type Kind string

// The kinds of records, by their first word.
const (
	Statement Kind = "statement" // statement ok | statement error [CODE]: SQL; after ---- the error's text
	Query     Kind = "query"     // query [sort]: SQL, ----, rows
	Subscribe Kind = "subscribe" // subscribe NAME: SQL of a live query
	Changes   Kind = "changes"   // changes NAME, ----, rows with + or -
	Feed      Kind = "feed"      // feed SOURCE [PARTITION]: records
	End       Kind = "end"       // end SOURCE
	Clock     Kind = "clock"     // clock TIMESTAMP
	Restart   Kind = "restart"
	Crash     Kind = "crash"
	Explain   Kind = "explain" // explain [logical|physical]: SQL, ----, the plan
	Halt      Kind = "halt"
)

// Record is one step of a script.
type Record struct {
	Kind Kind
	Args []string
	Line int    // of the first word, from 1
	Text string // SQL or records, with newlines
	Want []string
	// HasWant tells an empty expectation from none; WantLine is the line of ----.
	HasWant  bool
	WantLine int
	EndLine  int // the last line of the record
}

var takesText = map[Kind]bool{Statement: true, Query: true, Subscribe: true, Feed: true, Explain: true}
var takesWant = map[Kind]bool{Statement: true, Query: true, Changes: true, Explain: true}

// Parse reads a script. Records are separated by blank lines; lines that begin with # between records are comments.
func Parse(name, src string) ([]Record, error) {
	lines := strings.Split(strings.TrimSuffix(src, "\n"), "\n")
	var records []Record
	for i := 0; i < len(lines); {
		line := strings.TrimRight(lines[i], " \t\r")
		if line == "" || strings.HasPrefix(line, "#") {
			i++
			continue
		}
		words := strings.Fields(line)
		r := Record{Kind: Kind(words[0]), Args: words[1:], Line: i + 1}
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		i++
		var text []string
		for i < len(lines) && strings.TrimSpace(lines[i]) != "" && strings.TrimSpace(lines[i]) != "----" {
			text = append(text, lines[i])
			i++
		}
		if len(text) > 0 && !takesText[r.Kind] {
			return nil, fmt.Errorf("%s:%d: %s takes no text; is a blank line missing?", name, i, r.Kind)
		}
		r.Text = strings.Join(text, "\n")
		if i < len(lines) && strings.TrimSpace(lines[i]) == "----" {
			if !takesWant[r.Kind] {
				return nil, fmt.Errorf("%s:%d: %s expects no rows", name, i+1, r.Kind)
			}
			r.HasWant, r.WantLine = true, i+1
			i++
			for i < len(lines) && strings.TrimSpace(lines[i]) != "" {
				r.Want = append(r.Want, strings.TrimRight(lines[i], " \t\r"))
				i++
			}
		}
		r.EndLine = i
		records = append(records, r)
	}
	return records, nil
}

// check validates the first line of a record.
func (r Record) check() error {
	n := len(r.Args)
	switch r.Kind {
	case Statement:
		if n == 1 && r.Args[0] == "ok" || n >= 1 && n <= 2 && r.Args[0] == "error" {
			return nil
		}
		return fmt.Errorf("expected \"statement ok\" or \"statement error [SQLSTATE]\"")
	case Query, Explain:
		if n <= 2 {
			return nil
		}
	case Subscribe, Changes, End:
		if n == 1 {
			return nil
		}
		return fmt.Errorf("%s needs one name", r.Kind)
	case Feed:
		if n == 1 || n == 2 {
			return nil
		}
		return fmt.Errorf("expected \"feed SOURCE [PARTITION]\"")
	case Clock:
		if n == 1 || n == 2 {
			return nil
		}
		return fmt.Errorf("expected \"clock TIMESTAMP\"")
	case Restart, Crash, Halt:
		if n == 0 {
			return nil
		}
	default:
		return fmt.Errorf("unknown word %q; expected statement, query, explain, subscribe, changes, feed, end, clock, restart, crash or halt", r.Kind)
	}
	return fmt.Errorf("too many words after %q", r.Kind)
}
