package tokens_test

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// wrong returns the rule that a field breaks.
func wrong(t *testing.T, err error, field string) string {
	t.Helper()
	var invalid *validation.Error
	if !errors.As(err, &invalid) || len(invalid.Violations) != 1 || invalid.Violations[0].Field != field {
		t.Fatalf("got %v, want a violation of %s", err, field)
	}
	return invalid.Violations[0].Rule
}

func TestATokenIsThePositionItWasMadeOf(t *testing.T) {
	c := tokens.New("store-1")
	for _, position := range []uint64{0, 1, 127, 128, 1 << 32, math.MaxUint64} {
		token := c.Encode(position)
		got, err := c.Decode("token", token)
		if err != nil || got != position || len(token) > tokens.MaxLength {
			t.Errorf("%d became %q and %d, %v", position, token, got, err)
		}
		if strings.ContainsAny(token, "+/= &?#%") {
			t.Errorf("%q would need escaping", token)
		}
	}
	if got, err := c.Decode("token", ""); err != nil || got != 0 {
		t.Errorf("no token is %d, %v", got, err)
	}
}

func TestATokenOfAnotherStoreIsForeign(t *testing.T) {
	_, err := tokens.New("store-2").Decode("resume_token", tokens.New("store-1").Encode(7))
	var foreign *tokens.ForeignError
	if !errors.As(err, &foreign) || foreign.Field != "resume_token" {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoTokenIsRefused(t *testing.T) {
	c := tokens.New("store-1")
	good := c.Encode(1 << 20)
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	newer := append([]byte{2}, raw[1:]...)
	for name, token := range map[string]string{
		"no text": "§", "spaces": " " + good, "padding": good + "=", "cut": good[:len(good)-2], "only a version": "AQ",
		"more": base64.RawURLEncoding.EncodeToString(append(raw, 0)), "newer": base64.RawURLEncoding.EncodeToString(newer),
		"long": strings.Repeat("A", tokens.MaxLength+1), "a page token": tokens.NewList("items").Encode("milk"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Decode("token", token)
			wrong(t, err, "token")
		})
	}
}

// view is a view that a test moves.
type view struct {
	at    uint64
	moved chan struct{}
}

func (v *view) Position() uint64 { return v.at }

func (v *view) WaitFor(ctx context.Context, _ uint64) error {
	select {
	case <-v.moved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAwaitingWhatIsThereDoesNotWait(t *testing.T) {
	v := &view{at: 7} // WaitFor would block for ever
	for _, position := range []uint64{0, 6, 7} {
		if err := tokens.Await(t.Context(), position, v); err != nil {
			t.Errorf("%d: %v", position, err)
		}
	}
	if err := tokens.New("s").Await(t.Context(), "", v); err != nil {
		t.Error(err)
	}
}

func TestAwaitingEndsALittleBeforeTheCallerDoes(t *testing.T) {
	for name, x := range map[string]struct{ deadline, waited time.Duration }{
		"none": {0, tokens.DefaultWait}, "a second": {time.Second, 950 * time.Millisecond}, "a little": {100 * time.Millisecond, 90 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := t.Context(), func() {}
			if x.deadline != 0 {
				ctx, cancel = context.WithTimeout(ctx, x.deadline)
			}
			defer cancel()
			began := time.Now()
			err := tokens.Await(ctx, 9, &view{})
			var late *tokens.NotYetVisibleError
			if !errors.As(err, &late) || late.Position != 9 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			if waited := time.Since(began); waited != x.waited {
				t.Errorf("%s: waited %s, want %s", name, waited, x.waited)
			}
		})
	}
}

func TestAwaitingEndsWhenTheViewMovesOrTheCallerLeaves(t *testing.T) {
	v := &view{moved: make(chan struct{})}
	close(v.moved)
	c := tokens.New("s")
	if err := c.Await(t.Context(), c.Encode(9), v); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Await(ctx, c.Encode(9), &view{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wrong(t, c.Await(t.Context(), "§", v), "token")
}
