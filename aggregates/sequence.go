package aggregates

import (
	"cmp"
	"strings"
)

// CompareSequences puts two numbers of one source in order, as the source's own text has them: numbers made of digits by
// their value, however many zeros they begin with; any other text bytewise, as CloudEvents asks of sequences.
func CompareSequences(a, b string) int {
	if !digits(a) || !digits(b) {
		return strings.Compare(a, b)
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// maxDigits of a sequence that is a number to count with: it fits 63 bits.
const maxDigits = 18

// SequenceNumber returns a sequence as a number to count with: digits, at most 18 beside leading zeros. Others have none.
func SequenceNumber(text string) (n int64, ok bool) {
	if !digits(text) {
		return 0, false
	}
	if text = strings.TrimLeft(text, "0"); len(text) > maxDigits {
		return 0, false
	}
	for i := range len(text) {
		n = 10*n + int64(text[i]-'0')
	}
	return n, true
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
