package stock

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
)

func buffered(r BufferRequest) step {
	return step{decide: func(w *world, m aggregates.Metadata) (any, []aggregates.Event, error) {
		events, err := SetBuffer(w.state, r, m, w.now)
		return nil, events, err
	}}
}

// The most specific rule of buffers in force wins, wholly.
func TestTheMostSpecificBufferWins(t *testing.T) {
	units := func(n int64) Portion { return Portion{Units: n} }
	levels := []struct {
		name string
		put  func(b *Balances, p *Policy) *Policy
	}{
		{"channel", func(_ *Balances, p *Policy) *Policy { p.Buffer = 1; return p }},
		{"category", func(_ *Balances, p *Policy) *Policy {
			t := p.Terms
			t.Buffers = t.Buffers.With(SafetyRule{Category: "dairy", Portion: units(2)})
			return p.With(t)
		}},
		{"category and channel", func(_ *Balances, p *Policy) *Policy {
			t := p.Terms
			t.Buffers = t.Buffers.With(SafetyRule{Category: "dairy", Channel: "web", Portion: units(3)})
			return p.With(t)
		}},
		{"SKU", func(b *Balances, p *Policy) *Policy { b.Evolve(&BufferSet{Portion: units(4)}); return p }},
		{"SKU and channel", func(b *Balances, p *Policy) *Policy {
			b.Evolve(&BufferSet{Channel: "web", Portion: units(5)})
			return p
		}},
		{"SKU and channel, for a time", func(b *Balances, p *Policy) *Policy {
			b.Evolve(&BufferSet{Channel: "web", Portion: Portion{BasisPoints: 10_000}, Period: Period{From: 1, Until: 100}})
			return p
		}},
	}
	for until := range levels {
		var b Balances
		b.Evolve(&ItemRegistered{Category: "dairy"})
		b.Put(Balance{Location: "berlin", OnHand: [conditions]int64{Sellable: 20}})
		p := NewPolicy("web", []string{"berlin"}, 0, 0)
		for i := range until + 1 {
			p = levels[i].put(&b, p)
		}
		want := []int64{19, 18, 17, 16, 15, 0}[until]
		if got := b.Available(p, 50); got != want {
			t.Errorf("with all up to %s: %d available, expected %d", levels[until].name, got, want)
		}
		var sum int64
		for _, s := range b.Steps(p, 50) {
			sum += s.Amount
		}
		if sum != want {
			t.Errorf("with all up to %s: steps come to %d, expected %d", levels[until].name, sum, want)
		}
		list, _ := b.BufferRules(p, 50)
		if list[0] != b.bufferRule(p, 50) || len(list) != max(1, min(until+1, 5)) {
			t.Errorf("with all up to %s: %+v", levels[until].name, list)
		}
	}
}

func TestBuffersOfASKU(t *testing.T) {
	web := BufferRequest{Channel: "web", Portion: Portion{Units: 3}}
	scenario(t).
		given(counted("berlin", 10)).
		when(buffered(web)).then(recorded(&BufferSet{Channel: "web", Portion: Portion{Units: 3}}), ats(7)).
		when(buffered(web)).then(nothingRecorded(), ats(7)).
		when(buffered(BufferRequest{Portion: Portion{Units: 9}})).then(ats(7)).
		when(buffered(BufferRequest{Channel: "web", End: true})).then(ats(1)).
		when(buffered(BufferRequest{End: true})).then(ats(10)).
		when(buffered(BufferRequest{End: true})).then(nothingRecorded())
}

func TestBuffersAreBounded(t *testing.T) {
	var s State
	for i := range MaxBufferRules {
		s.Evolve(&BufferSet{Channel: fmt.Sprint(i), Portion: Portion{Units: 1}}, aggregates.Metadata{})
	}
	var bound *BoundError
	if _, err := SetBuffer(&s, BufferRequest{Channel: "more"}, aggregates.Metadata{}, 1); !errors.As(err, &bound) {
		t.Error(err)
	}
	if _, err := SetBuffer(&s, BufferRequest{Channel: "7"}, aggregates.Metadata{}, 1); err != nil {
		t.Error(err)
	}
	for _, r := range []BufferRequest{{Portion: Portion{Units: -1}}, {Portion: Portion{BasisPoints: 10_001}}, {Period: Period{From: 3, Until: 2}}} {
		if _, err := SetBuffer(&State{}, r, aggregates.Metadata{}, 1); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}
