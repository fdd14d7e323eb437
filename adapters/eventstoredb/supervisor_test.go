package eventstoredb

import (
	"errors"
	"testing"
)

// The client panics at an answer that it does not know. What a server says is not to end the process.
func TestAnAnswerThatTheClientDoesNotKnowIsAnError(t *testing.T) {
	if err := guarded(func() error { panic("unreachable code") }); !errors.Is(err, errUnknownAnswer) || judge(err) != giveUp {
		t.Errorf("got %v", err)
	}
}
