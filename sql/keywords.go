package sql

import "strings"

// wordClass says where a word may stand as a name; the classes and their members are PostgreSQL's.
type wordClass uint8

const (
	wordPlain    wordClass = iota // not a keyword: a name everywhere
	wordFree                      // unreserved keyword: a name everywhere
	wordColumn                    // names columns and tables, not functions
	wordFunction                  // names functions and types, not columns or tables
	wordReserved                  // a name only after AS, after a dot, or in quotes
)

const (
	reservedWords = `all analyse analyze and any array as asc asymmetric both case cast check collate column constraint
		create current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
		distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral
		leading limit localtime localtimestamp not null offset on only or order placing primary references returning select
		session_user some symmetric table then to trailing true union unique user using variadic when where window with`

	functionWords = `authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull
		join left like natural notnull outer overlaps right similar tablesample verbose`

	columnWords = `between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping
		inout int integer interval least national nchar none nullif numeric out overlay position precision real row setof
		smallint substring time timestamp treat trim values varchar`

	freeWords = `absolute add alter always append backward begin cascade changes close columns comment commit conflict copy
		cube current cursor day deallocate declare delete describe discard double drop emit encode enforced epoch escape
		every exclude execute explain filter first flush following forward function generated groups hold hour if ignore
		include index insert jobs key last local logical match materialized metadata minute month names next no
		nothing nulls of operator option ordinality over partition partitioned pause physical plans preceding prepare prior
		range recursive relative release rename replace reset respect restart restrict resume rollback rollup rows savepoint
		schema scroll second session set sets show sink sinks snapshot source sources start state stored stdin stdout
		subscribe system temp temporary ties truncate type unbounded unknown update use values varying view views virtual
		watermark watermarks window within without year zone`

	// needAS are the keywords that cannot be a column label without AS, though they could be a name.
	needASWords = `array as char character create day except fetch filter for from grant group having hour in intersect
		into isnull limit minute month notnull offset on order over overlaps precision returning second to union varying
		where window with within without year`
)

var (
	wordClasses = makeWordClasses()
	needAS      = makeWordSet(needASWords)
)

func makeWordSet(lists ...string) map[string]bool {
	set := map[string]bool{}
	for _, list := range lists {
		for _, w := range strings.Fields(list) {
			set[w] = true
		}
	}
	return set
}

func makeWordClasses() map[string]wordClass {
	classes := map[string]wordClass{}
	for _, l := range []struct {
		words string
		class wordClass
	}{{freeWords, wordFree}, {columnWords, wordColumn}, {functionWords, wordFunction}, {reservedWords, wordReserved}} {
		for _, w := range strings.Fields(l.words) {
			classes[w] = l.class
		}
	}
	return classes
}

// Keywords returns every word that the grammar knows, in lower case and in no order; for completion and highlighting.
func Keywords() []string {
	words := make([]string, 0, len(wordClasses))
	for w := range wordClasses {
		words = append(words, w)
	}
	return words
}

// mistaken lists the keywords that a misspelt word is compared with.
var mistaken = strings.Fields(`select from where group having order limit offset union intersect except distinct values
	insert update delete create table source sink view materialized drop alter show describe explain inner left right full
	outer cross join natural lateral using between exists like ilike similar interval partition window over filter case when
	then else with recursive emit changes returning primary references default watermark format encode connector replace
	temporary truncate subscribe prepare execute begin commit rollback set reset flush unique cascade restrict rename pause
	resume include append only schema index`)

// nearestKeyword returns the keyword that word was probably meant to be, or "".
func nearestKeyword(word string) string {
	if len(word) < 3 || wordClasses[word] != wordPlain {
		return ""
	}
	best, dist := "", 3
	for _, k := range mistaken {
		if d := editDistance(word, k, dist); 0 < d && d < dist && (d == 1 || len(word) >= 5) && d < len(k)/2 {
			best, dist = k, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b; it gives up
// at limit. Words are short: the cost does not matter, but long identifiers are refused at once.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 64 {
		return limit
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return min(rows[len(a)][len(b)], limit)
}
