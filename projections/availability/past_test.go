package availability_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/adapters/viewtest"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/location"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/availability"
)

// pastDocuments are documents of some SKUs as of a position, in the form of scenario.documents.
func (s *scenario) pastDocuments(skus []string, position uint64) string {
	s.Helper()
	p, err := s.NewChecker(s.Store).Past(s.Context(), position, 0)
	if err != nil {
		s.Fatal(err)
	}
	var e availability.Encoder
	var text strings.Builder
	for _, sku := range skus {
		d, events, err := p.Of(s.Context(), sku)
		if err != nil {
			s.Fatal(err)
		}
		if events == 0 {
			continue
		}
		b, err := e.Append(nil, d)
		if err != nil {
			s.Fatal(err)
		}
		fmt.Fprintf(&text, "%q %d %d %s\n", d.SKU, d.Position, d.Policies(), hex.EncodeToString(b))
	}
	return text.String()
}

// At every position of a random history with changing policies, what is folded up to there is what was stored when the store ended there, byte for byte,
// values of channels included.
func TestThePastIsWhatWasStoredThen(t *testing.T) {
	for seed := range uint64(3) {
		s := prepare(t)
		s.run()
		facts := viewtest.NewFacts(seed)
		facts.Policies = true
		type moment struct {
			position uint64
			text     string
		}
		var moments []moment
		for range 60 {
			facts.Add(t, s.History, 4)
			text := s.documents()
			end, err := s.Store.End(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			moments = append(moments, moment{end, text})
		}
		skus := s.known()
		if len(skus) < 2 || s.dir.Tables().Version() == 0 {
			t.Fatalf("the history has %d SKUs, and policies of version %d", len(skus), s.dir.Tables().Version())
		}
		for _, m := range moments {
			if got := s.pastDocuments(skus, m.position); got != m.text {
				t.Fatalf("seed %d, at position %d: got\n%s\nwas\n%s", seed, m.position, got, m.text)
			}
		}
		s.stop()
	}
}

// What channels could sell is under the policies of then, of kits by what their components were then.
func TestThePastHasWhatChannelsCouldSell(t *testing.T) {
	s := shop(t)
	s.SKU(t, "cup", received("berlin", 9))
	s.SKU(t, "pot", received("berlin", 5))
	s.kit("set", 1, "cup", 4, "pot", 1)
	instant := s.Now - aggregates.Second/1000
	first := s.SKU(t, "other", received("berlin", 1))
	s.Channel(t, "web", 1, "berlin")
	s.Channel(t, "app", 0, "berlin")
	second := s.SKU(t, "cup", received("berlin", 100))
	s.Add(t, "location-berlin", &location.Disabled{})
	third := s.SKU(t, "pot", sold("berlin", 5))
	s.seen()
	tell := func(position uint64, at aggregates.Instant) (text string) {
		t.Helper()
		p, err := s.NewChecker(s.Store).Past(t.Context(), position, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, sku := range []string{"cup", "pot", "set"} {
			d, events, err := p.Of(t.Context(), sku)
			if err != nil || events == 0 {
				t.Fatalf("%s: %d events, %v", sku, events, err)
			}
			list, err := p.Channels(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				if a.Position > position && position != 0 {
					t.Errorf("%s at position %d includes %d", sku, position, a.Position)
				}
				text += fmt.Sprintf("%s/%s %d ", sku, a.Channel, a.ATS)
			}
		}
		return text
	}
	if got, want := tell(first, 0), "cup/web 9 pot/web 5 set/web 2 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := tell(0, instant), "cup/web 9 pot/web 5 set/web 2 "; got != want {
		t.Errorf("at the instant: got %s, want %s", got, want)
	}
	if got, want := tell(second, 0), "cup/app 109 cup/web 108 pot/app 5 pot/web 4 set/app 5 set/web 4 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := tell(third, 0), "cup/app 0 cup/web 0 pot/app 0 pot/web 0 set/app 0 set/web 0 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// As of an instant, rules that had ended by then do not count, nor those that had not begun; as of a position it is as the last event left it.
func TestThePastAsOfAnInstantFollowsRulesThatEnd(t *testing.T) {
	s := shop(t)
	until := s.Now.CeilSecond() + 100*aggregates.Second
	last := s.SKU(t, "shoe", received("berlin", 10), &stock.SafetyStockSet{Location: "berlin", Quantity: 4, Period: stock.Period{Until: until}})
	s.seen()
	for name, x := range map[string]struct {
		position uint64
		at       aggregates.Instant
		ats      int64
	}{"the position": {last, 0, 6}, "before the end": {0, until - 1, 6}, "at the end": {0, until, 10}} {
		p, err := s.NewChecker(s.Store).Past(t.Context(), x.position, x.at)
		if err != nil {
			t.Fatal(err)
		}
		d, _, err := p.Of(t.Context(), "shoe")
		if err != nil {
			t.Fatal(err)
		}
		if list, err := p.Channels(t.Context(), d); err != nil || len(list) != 1 || list[0].ATS != x.ats {
			t.Errorf("%s: got %+v, %v, want %d", name, list, err, x.ats)
		}
	}
}
