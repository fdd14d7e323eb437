package esdbserver

import (
	"regexp"
	"strings"

	pb "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
)

// filter selects events of $all.
type filter struct {
	prefixes []string // of stream names, for the store; nil when it cannot help
	matches  func(stream, kind string) bool
	gap      uint64 // events after which a subscription gets a checkpoint
}

// newFilter reads a filter; nil lets everything pass.
func newFilter(o *pb.ReadReq_Options_FilterOptions, subscription bool) (*filter, error) {
	if o == nil {
		return nil, nil
	}
	f := &filter{}
	var text func(stream, kind string) string
	var e *pb.ReadReq_Options_FilterOptions_Expression
	switch x := o.Filter.(type) {
	case *pb.ReadReq_Options_FilterOptions_StreamIdentifier:
		e, text = x.StreamIdentifier, func(stream, _ string) string { return stream }
		if e.GetRegex() == "" {
			f.prefixes = e.GetPrefix()
		}
	case *pb.ReadReq_Options_FilterOptions_EventType:
		e, text = x.EventType, func(_, kind string) string { return kind }
	default:
		return nil, badRequest("the filter has neither streams nor event types")
	}
	match, err := newMatcher(e)
	if err != nil {
		return nil, err
	}
	f.matches = func(stream, kind string) bool { return match(text(stream, kind)) }
	window := uint64(defaultWindow)
	if x, ok := o.Window.(*pb.ReadReq_Options_FilterOptions_Max); ok {
		window = uint64(x.Max)
	}
	f.gap = window * uint64(o.CheckpointIntervalMultiplier)
	if subscription && (f.gap == 0 || f.gap > maxCheckpointGap) {
		return nil, badRequest("checkpoints every %d events are not possible: it must be 1 to %d", f.gap, maxCheckpointGap)
	}
	return f, nil
}

func newMatcher(e *pb.ReadReq_Options_FilterOptions_Expression) (func(string) bool, error) {
	if regex := e.GetRegex(); regex != "" {
		return newRegex(regex)
	}
	prefixes := e.GetPrefix()
	if len(prefixes) == 0 || len(prefixes) > MaxPrefixes {
		return nil, badRequest("the filter has %d prefixes and no expression; 1 to %d prefixes are possible", len(prefixes), MaxPrefixes)
	}
	return func(text string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(text, p) {
				return true
			}
		}
		return false
	}, nil
}

// newRegex compiles an expression. Beyond RE2 it knows one form, by which clients leave events out: ^(?!…), which
// matches where … does not match at the start.
func newRegex(regex string) (func(string) bool, error) {
	if len(regex) > MaxRegexBytes {
		return nil, badRequest("the regular expression has %d bytes, at most %d are possible", len(regex), MaxRegexBytes)
	}
	if inner, ok := notAtStart(regex); ok {
		r, err := regexp.Compile("^(?:" + inner + ")")
		if err != nil {
			return nil, unsupported("the regular expression %q is not supported by this server: %v", regex, err)
		}
		return func(text string) bool { return !r.MatchString(text) }, nil
	}
	r, err := regexp.Compile(regex)
	if err != nil {
		return nil, unsupported("the regular expression %q is not supported by this server: %v", regex, err)
	}
	return r.MatchString, nil
}

// notAtStart gives the … of ^(?!…), after which only what matches everything may follow.
func notAtStart(regex string) (inner string, ok bool) {
	inner, ok = strings.CutPrefix(regex, "^(?!")
	if !ok {
		return "", false
	}
	for _, rest := range []string{").*$", ").*", ")"} {
		if cut, ok := strings.CutSuffix(inner, rest); ok && balanced(cut) {
			return cut, true
		}
	}
	return "", false
}

// balanced tells whether no parenthesis closes before it was opened, so that the one after the text is the outer one.
func balanced(regex string) bool {
	depth, class := 0, false
	for i := 0; i < len(regex); i++ {
		switch c := regex[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0 && !class
}
