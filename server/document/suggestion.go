package document

import (
	"fmt"
	"slices"
	"strings"
)

// DidYouMean returns `; did you mean "x"?` for the candidate that is nearest to a mistyped word, or nothing when none is near. Who wrote
// the last name of a dotted path only may have meant the path.
func DidYouMean(word string, candidates []string) string {
	if len(word) > 64 {
		return "" // No key is that long, and the distance takes quadratic time.
	}
	best, least := "", max(2, len(word)/3)+1
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
		d := distance(normal(word), normal(candidate))
		if dot := strings.LastIndexByte(candidate, '.'); dot >= 0 {
			d = min(d, distance(normal(word), normal(candidate[dot+1:])))
		}
		if d < least {
			best, least = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// normal makes maxAge, max-age and max_age the same word.
func normal(word string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(word))
}

// distance is the optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
func distance(a, b string) int {
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
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
