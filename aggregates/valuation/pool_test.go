package valuation

import (
	"testing"

	"pgregory.net/rapid"
)

// units is the naive second model of FIFO: every unit by itself. A cost of noCost is not known.
type units struct {
	here, owed []int64
	last       int64
}

const noCost = -1

func (u *units) in(n, cost int64) {
	if cost == noCost {
		cost = u.last
	}
	if cost != noCost {
		u.last = cost
	}
	for range n {
		switch {
		case len(u.owed) > 0:
			u.owed = u.owed[1:]
		default:
			u.here = append(u.here, cost)
		}
	}
}

func (u *units) out(n int64) {
	for range n {
		switch {
		case len(u.here) == 0:
			u.owed = append(u.owed, u.last)
		default:
			u.here = append(u.here[:u.next()], u.here[u.next()+1:]...)
		}
	}
}

// next is the unit that leaves: one without a cost, or the oldest.
func (u *units) next() int {
	for i, cost := range u.here {
		if cost == noCost {
			return i
		}
	}
	return 0
}

func (u *units) value() (v int64) {
	for _, cost := range u.here {
		v += max(cost, 0)
	}
	return v
}

func TestFIFOIsUnitByUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, u := Pool{}, units{last: noCost}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			n := int64(rapid.IntRange(0, 6).Draw(t, "units"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				cost := int64(rapid.IntRange(0, 9).Draw(t, "cost"))
				if n > 0 {
					p.In(FIFO, Parts{Layers: []Layer{{n, n * cost}}})
					u.in(n, cost)
				}
			case 1:
				p.In(FIFO, p.Found(n))
				u.in(n, noCost)
			default:
				p.Out(n)
				u.out(n)
			}
			if got, want := p.Quantity(), int64(len(u.here)-len(u.owed)); got != want {
				t.Fatalf("%d units, should be %d", got, want)
			}
			if len(u.owed) == 0 && p.Value() != u.value() {
				t.Fatalf("worth %d, should be %d: %+v", p.Value(), u.value(), p)
			}
		}
	})
}

// By either method, value is neither made nor lost: what came in, less what went out, less what was settled, is what is there; and what is taken in parts
// is what would be taken at once, but for the order of layers.
func TestValueIsConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Method(rapid.IntRange(0, 1).Draw(t, "method"))
		p := Begin(int64(rapid.IntRange(-3, 3).Draw(t, "begin")))
		var value int64
		quantity := p.Quantity()
		for range 60 {
			n := int64(rapid.IntRange(0, 50).Draw(t, "units"))
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				parts := Parts{Uncosted: int64(rapid.IntRange(0, 3).Draw(t, "uncosted")), Layers: []Layer{{n, int64(rapid.IntRange(0, 1000).Draw(t, "value"))}}}
				if n == 0 {
					parts.Layers = nil
				}
				value += parts.Value() - p.In(m, parts)
				quantity += n + parts.Uncosted
			case 1:
				parts := p.Found(n)
				value += parts.Value() - p.In(m, parts)
				quantity += n
			case 2:
				correction := int64(rapid.IntRange(-50, 50).Draw(t, "correction"))
				value += correction - p.Correct(n, correction)
			default:
				parts := p.Out(n)
				value -= parts.Value()
				quantity -= n
			}
			if p.Value() != value || p.Quantity() != quantity {
				t.Fatalf("%d units worth %d, should be %d worth %d: %+v", p.Quantity(), p.Value(), quantity, value, p)
			}
			if m == Average && len(p.Layers) > 1 {
				t.Fatalf("an average has %d layers", len(p.Layers))
			}
			if p.Owed > 0 && (p.Uncosted > 0 || len(p.Layers) > 0) {
				t.Fatalf("owes units and has some: %+v", p)
			}
		}
	})
}

func TestMovingAverage(t *testing.T) {
	var p Pool
	p.In(Average, Parts{Layers: []Layer{{10, 1000}}})
	p.In(Average, Parts{Layers: []Layer{{5, 800}}})
	if out := p.Out(4); out.Value() != 480 || p.Value() != 1320 {
		t.Fatalf("4 of 15 units worth 1800 are worth %d, and leave %d", out.Value(), p.Value())
	}
}

func TestLayersAreBounded(t *testing.T) {
	var p Pool
	for i := range int64(3 * MaxLayers) {
		p.In(FIFO, Parts{Layers: []Layer{{1, i}}})
	}
	if n := int64(3 * MaxLayers); len(p.Layers) != MaxLayers || p.Quantity() != n || p.Value() != n*(n-1)/2 {
		t.Fatalf("%d layers of %d units worth %d", len(p.Layers), p.Quantity(), p.Value())
	}
}
