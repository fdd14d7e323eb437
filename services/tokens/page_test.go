package tokens_test

import (
	"strings"
	"testing"

	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

func TestAPageTokenIsThePlaceItWasMadeOf(t *testing.T) {
	list := tokens.NewList("items")
	for _, after := range []string{"a", "a/b %", "\x00", strings.Repeat("x", 100)} {
		token := list.Encode(after)
		if got, err := list.Decode(token); err != nil || got != after || len(token) > tokens.MaxLength {
			t.Errorf("%q became %q and %q, %v", after, token, got, err)
		}
	}
	if got, err := list.Decode(""); err != nil || got != "" {
		t.Errorf("no token is %q, %v", got, err)
	}
}

func TestAPageTokenFitsItsOwnListOnly(t *testing.T) {
	lists := []tokens.List{
		tokens.NewList("history"), tokens.NewList("history", "milk"), tokens.NewList("history", "milk", "true"),
		tokens.NewList("history", "milk", "false"), tokens.NewList("history", "mil", "ktrue"), tokens.NewList("items"),
	}
	for i, made := range lists {
		for j, asked := range lists {
			_, err := asked.Decode(made.Encode("x"))
			if i == j && err != nil {
				t.Errorf("list %d: %v", i, err)
			}
			if i != j && !strings.Contains(wrong(t, err, "page_token"), "another list") {
				t.Errorf("token of list %d in list %d: %v", i, j, err)
			}
		}
	}
}

func TestWhatIsNoPageTokenIsRefused(t *testing.T) {
	list := tokens.NewList("items")
	for name, token := range map[string]string{
		"no text": "?", "a position's": tokens.New("s").Encode(7), "short": "gQAA", "long": strings.Repeat("A", tokens.MaxLength+1),
	} {
		_, err := list.Decode(token)
		if rule := wrong(t, err, "page_token"); rule == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPageSizes(t *testing.T) {
	for asked, want := range map[int32]int{0: 100, 1: 1, 1000: 1000} {
		var c validation.Checker
		if got := tokens.PageSize(&c, asked); got != want || c.Err() != nil {
			t.Errorf("%d became %d, %v", asked, got, c.Err())
		}
	}
	for _, asked := range []int32{-1, 1001} {
		var c validation.Checker
		tokens.PageSize(&c, asked)
		wrong(t, c.Err(), "page_size")
	}
}
