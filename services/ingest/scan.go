package ingest

import (
	"math"
	"unicode/utf8"
)

// scan reads JSON of a known shape in one pass, without copying. It knows the plain forms only: at anything else, be it
// wrong or merely unusual (an escape in a string, a number with an exponent, a null), it gives up, and a slower decoder
// has the last word. So a wrong document is never taken for a right one, and the common document costs little.
type scan struct {
	b    []byte // the document
	i    int    // the next byte
	gave bool   // gave up
}

// maxScanDepth bounds the nesting of values that are skipped.
const maxScanDepth = 32

func (s *scan) giveUp() { s.gave = true }

// peek skips white space and returns the next byte, 0 at the end.
func (s *scan) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\n', '\r', '\t':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take consumes a byte, after white space.
func (s *scan) take(c byte) {
	if s.peek() != c || s.gave {
		s.giveUp()
		return
	}
	s.i++
}

// end tells whether the document was read to its end.
func (s *scan) end() bool { return s.peek() == 0 && s.i == len(s.b) && !s.gave }

// open enters an object and returns the name of its first member; ok is false when there is none.
func (s *scan) open() (name []byte, ok bool) {
	s.take('{')
	if s.peek() == '}' {
		s.i++
		return nil, false
	}
	return s.name()
}

// next goes on to the following member of an object, after a value.
func (s *scan) next() (name []byte, ok bool) {
	switch s.peek() {
	case ',':
		s.i++
		return s.name()
	case '}':
		s.i++
	default:
		s.giveUp()
	}
	return nil, false
}

func (s *scan) name() ([]byte, bool) {
	name := s.text()
	s.take(':')
	return name, !s.gave
}

// openArray enters an array; ok tells whether it has an element.
func (s *scan) openArray() (ok bool) {
	s.take('[')
	if s.peek() == ']' {
		s.i++
		return false
	}
	return !s.gave
}

// nextElement goes on to the following element of an array, after a value.
func (s *scan) nextElement() (ok bool) {
	switch s.peek() {
	case ',':
		s.i++
		return !s.gave
	case ']':
		s.i++
	default:
		s.giveUp()
	}
	return false
}

// text reads a string without escapes; it points into the document.
func (s *scan) text() []byte {
	s.take('"')
	if s.gave {
		return nil
	}
	start, ascii := s.i, true
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			v := s.b[start:s.i]
			s.i++
			if !ascii && !utf8.Valid(v) {
				s.giveUp()
				return nil
			}
			return v
		case c == '\\' || c < ' ':
			s.giveUp()
			return nil
		case c >= utf8.RuneSelf:
			ascii = false
			s.i++
		default:
			s.i++
		}
	}
	s.giveUp()
	return nil
}

// str reads a string without escapes.
func (s *scan) str() string { return string(s.text()) }

// integer reads a whole number, plain or in a string, as the JSON mapping of a 64-bit integer allows.
func (s *scan) integer() int64 {
	if s.peek() == '"' {
		return s.digits(s.text())
	}
	start := s.i
	for s.i < len(s.b) && (s.b[s.i] == '-' || s.b[s.i] >= '0' && s.b[s.i] <= '9') {
		s.i++
	}
	return s.digits(s.b[start:s.i]) // whatever may not follow a value, the caller finds
}

func (s *scan) digits(b []byte) int64 {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 18 || b[0] == '0' && len(b) > 1 {
		s.giveUp()
		return 0
	}
	var v int64
	for _, c := range b {
		if c < '0' || c > '9' {
			s.giveUp()
			return 0
		}
		v = v*10 + int64(c-'0')
	}
	if negative {
		return -v
	}
	return v
}

// number32 reads a whole number of 32 bits.
func (s *scan) number32() int32 {
	if s.peek() == '"' {
		s.giveUp()
		return 0
	}
	v := s.integer()
	if v < math.MinInt32 || v > math.MaxInt32 {
		s.giveUp()
	}
	return int32(v)
}

func (s *scan) boolean() bool {
	switch s.peek() {
	case 't':
		s.literal("true")
		return true
	case 'f':
		s.literal("false")
	default:
		s.giveUp()
	}
	return false
}

func (s *scan) literal(word string) {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		s.giveUp()
		return
	}
	s.i += len(word)
}

// value skips a value of any kind and returns its bytes. Escapes in its strings are left unchecked.
func (s *scan) value(depth int) []byte {
	if depth > maxScanDepth {
		s.giveUp()
		return nil
	}
	c := s.peek()
	start := s.i
	switch {
	case c == '{':
		s.take('{')
		s.skipMembers(depth)
	case c == '[':
		for ok := s.openArray(); ok; ok = s.nextElement() {
			s.value(depth + 1)
		}
	case c == '"':
		s.skipString()
	case c == 't' || c == 'f':
		s.boolean()
	case c == 'n':
		s.literal("null")
	default:
		s.integer()
	}
	if s.gave {
		return nil
	}
	return s.b[start:s.i]
}

func (s *scan) skipMembers(depth int) {
	if s.peek() == '}' {
		s.i++
		return
	}
	for !s.gave {
		s.peek()
		s.skipString()
		s.take(':')
		s.value(depth + 1)
		if s.peek() != ',' {
			break
		}
		s.i++
	}
	s.take('}')
}

func (s *scan) skipString() {
	s.take('"')
	for !s.gave && s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return
		case c == '\\':
			s.i++
		case c < ' ':
			s.giveUp()
		}
		s.i++
	}
	s.giveUp()
}
