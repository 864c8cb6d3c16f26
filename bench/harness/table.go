package harness

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteMarkdown writes what a run found as Markdown tables: the cases, one line each with a column a side, then the
// probes, then what failed.
func (b Bench) WriteMarkdown(w io.Writer, r *Result) error {
	var text strings.Builder
	if len(r.Measurements) > 0 {
		b.casesTable(&text, r)
		b.memoryTable(&text, r)
	}
	if len(r.Probes) > 0 {
		text.WriteString("\n| measurement | wanted | measured |\n| --- | --- | --- |\n")
		for _, p := range r.Probes {
			var figures []string
			for _, f := range p.Figures {
				figures = append(figures, f.Name+" "+f.Value)
			}
			if p.Err != "" {
				figures = append(figures, "failed")
			}
			fmt.Fprintf(&text, "| %s | %s | %s |\n", p.Name, p.Want, strings.Join(figures, "; "))
		}
	}
	if len(r.Failed) > 0 {
		text.WriteString("\nFailed:\n")
		for _, f := range r.Failed {
			fmt.Fprintf(&text, "- %s\n", strings.ReplaceAll(strings.TrimSpace(f), "\n", "\n  "))
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// present returns the sides that have at least one measurement.
func (b Bench) present(r *Result) []Side {
	return slices.DeleteFunc(slices.Clone(b.Sides), func(s Side) bool {
		return !slices.ContainsFunc(r.Measurements, func(m Measurement) bool { return m.Side == s.Name })
	})
}

func (r *Result) of(c Case, side string) (Measurement, bool) {
	at := slices.IndexFunc(r.Measurements, func(m Measurement) bool { return m.Case == c.Name && m.Side == side })
	if at < 0 {
		return Measurement{}, false
	}
	return r.Measurements[at], true
}

func (b Bench) casesTable(text *strings.Builder, r *Result) {
	sides := b.present(r)
	fmt.Fprintf(text, "Million rows per CPU second, best repetition.\n\n| case | rows |")
	for _, s := range sides {
		fmt.Fprintf(text, " %s |", s.Name)
	}
	text.WriteString(" streamsql : DuckDB | wanted | 2 workers : 1, wall clock |\n| --- | --: |")
	text.WriteString(strings.Repeat(" --: |", len(sides)+3) + "\n")
	for _, c := range b.Cases {
		line, any := "", false
		rows := 0
		for _, s := range sides {
			m, ok := r.of(c, s.Name)
			line += " " + orDash(ok, "%.1f", m.PerCPUSecond()/1e6) + " |"
			any = any || ok
			rows = max(rows, m.Rows)
		}
		if !any {
			continue
		}
		ours, haveOurs := r.of(c, SideStreamsql)
		duck, haveDuck := r.of(c, SideDuckDB)
		one, haveOne := r.of(c, SideOneWorker)
		fmt.Fprintf(text, "| %s | %d |%s %s | %.1f | %s |\n", c.Name, rows, line,
			orDash(haveOurs && haveDuck, "**%.2f**", ours.PerCPUSecond()/duck.PerCPUSecond()), c.AtLeast,
			orDash(haveOurs && haveOne, "%.2f", ours.PerSecond()/one.PerSecond()))
	}
}

func (b Bench) memoryTable(text *strings.Builder, r *Result) {
	sides := b.present(r)
	text.WriteString("\nResident memory at most during the query, in MB, and in parentheses before it (data in memory included).\n\n| case |")
	for _, s := range sides {
		fmt.Fprintf(text, " %s |", s.Name)
	}
	text.WriteString("\n| --- |" + strings.Repeat(" --: |", len(sides)) + "\n")
	for _, c := range b.Cases {
		line, any := "", false
		for _, s := range sides {
			m, ok := r.of(c, s.Name)
			if ok {
				line += fmt.Sprintf(" %d (%d) |", m.Peak>>20, m.Loaded>>20)
			} else {
				line += " - |"
			}
			any = any || ok
		}
		if any {
			fmt.Fprintf(text, "| %s |%s\n", c.Name, line)
		}
	}
}

func orDash(ok bool, format string, value float64) string {
	if !ok {
		return "-"
	}
	return fmt.Sprintf(format, value)
}
