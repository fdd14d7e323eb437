package availability

import (
	"fmt"
	"reflect"
	"slices"
)

// KeepChanges sets how many changes are kept to resume from; before Run.
func (p *Projection) KeepChanges(n int) { p.hub.keep = n }

// Loads changes when the read model is loaded anew.
func (p *Projection) Loads() uint64 { return p.runner.Loads() }

// Wrong tells in what a document's values, and what they were added up from, differ from what a look at all its locations comes to. summed tells whether it
// knows what they were added up from.
func (d *Document) Wrong() (wrong string, summed bool) {
	if d.sums == nil {
		return "", false
	}
	whole := *d
	whole.price(d.prices, nil)
	is, should := *d.sums, *whole.sums
	early := is.steady <= should.steady // it may be too careful
	is.steady, should.steady = 0, 0
	if !early || !slices.Equal(d.values, whole.values) || !reflect.DeepEqual(is, should) {
		return fmt.Sprintf("values %v, should be %v; sums %+v, should be %+v; steady until %d, should be %d",
			d.values, whole.values, is, should, d.sums.steady, whole.sums.steady), true
	}
	return "", true
}
