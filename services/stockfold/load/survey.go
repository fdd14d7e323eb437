package load

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stockfold/stockfold/services/validation"
)

// Bounds of what one file may hold. Beyond them, split it.
const (
	maxStores  = 100_000
	maxSKUs    = 5_000_000
	maxPairs   = 10_000_000 // pairs of a SKU and a store
	maxBaskets = 5_000_000
	maxOpening = validation.MaxQuantity
)

// checkEvery is how many baskets are read between two looks at the context.
const checkEvery = 1_024

// Survey is what one reading of a file told.
type Survey struct {
	Lines     int
	ZeroLines int // coupons and voids, which move no stock
	Baskets   int
	First     time.Time
	Stores    []Store // most lines first, equal ones by id
	SKUs      []SKU   // in order of the file
}

// SKU is something sold, and where.
type SKU struct {
	ID   string
	Sold []Sold // largest store first
}

// Sold is what one store sold of a SKU.
type Sold struct {
	Store string
	Units int64 // base units, less what was brought back
}

// Store is a store of the file.
type Store struct {
	ID    string
	Lines int
}

// pair is a SKU and a store by their numbers.
type pair struct{ sku, store uint32 }

// numbering gives each text a number, in order of appearance.
type numbering struct {
	numbers map[string]uint32
	texts   []string
}

func newNumbering() numbering { return numbering{numbers: map[string]uint32{}} }

func (n *numbering) of(text string, limit int, what string) (uint32, error) {
	if i, ok := n.numbers[text]; ok {
		return i, nil
	}
	if len(n.texts) == limit {
		return 0, fmt.Errorf("more than %d %s in one file; split it by store or by time", limit, what)
	}
	i := uint32(len(n.texts))
	text = strings.Clone(text) // not the line it was cut from
	n.numbers[text] = i
	n.texts = append(n.texts, text)
	return i, nil
}

// surveyor reads a file for its totals.
type surveyor struct {
	*Survey
	skus, stores numbering
	baskets      map[string]struct{}
	lines        []int          // per store
	sold         map[pair]int64 // base units, less what was brought back
}

// TakeSurvey reads a whole file, checks every line and sums up what it sells.
func TakeSurvey(ctx context.Context, f File) (*Survey, error) {
	pos, err := OpenPOS(f)
	if err != nil {
		return nil, err
	}
	defer pos.Close()
	s := surveyor{Survey: &Survey{}, skus: newNumbering(), stores: newNumbering(),
		baskets: map[string]struct{}{}, sold: map[pair]int64{}}
	for {
		b, err := pos.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := s.add(b); err != nil {
			return nil, &LineError{f.Name, pos.LineNumber(), err.Error()}
		}
		if s.Baskets%checkEvery == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if s.Baskets == 0 {
		return nil, &LineError{f.Name, 1, "there are no lines after the header"}
	}
	s.finish()
	return s.Survey, nil
}

func (s *surveyor) add(b *Basket) error {
	store, err := s.stores.of(b.Store, maxStores, "stores")
	if err != nil {
		return err
	}
	if int(store) == len(s.lines) {
		s.lines = append(s.lines, 0)
	}
	if err := s.addBasket(b); err != nil {
		return err
	}
	if s.Baskets == 0 {
		s.First = b.At
	}
	s.Baskets++
	for _, line := range b.Lines {
		if err := s.addLine(store, line); err != nil {
			return err
		}
	}
	return nil
}

func (s *surveyor) addBasket(b *Basket) error {
	key := b.Store + "\x00" + b.ID
	if _, seen := s.baskets[key]; seen {
		return fmt.Errorf("basket %s of store %s ended before this line; its lines must stand together, with one time", b.ID, b.Store)
	}
	if len(s.baskets) == maxBaskets {
		return fmt.Errorf("more than %d baskets in one file; split it by store or by time", maxBaskets)
	}
	s.baskets[key] = struct{}{}
	return nil
}

func (s *surveyor) addLine(store uint32, line Line) error {
	sku, err := s.skus.of(line.SKU, maxSKUs, "SKUs")
	if err != nil {
		return err
	}
	s.Lines++
	s.lines[store]++
	if line.Quantity == 0 {
		s.ZeroLines++
	}
	p := pair{sku, store}
	before, known := s.sold[p]
	if !known && len(s.sold) == maxPairs {
		return fmt.Errorf("more than %d pairs of a SKU and a store in one file; split it by store or by time", maxPairs)
	}
	if before > math.MaxInt64-validation.MaxQuantity || before < math.MinInt64+validation.MaxQuantity {
		return fmt.Errorf("sales of SKU %q overflow", line.SKU)
	}
	s.sold[p] = before + line.Quantity
	return nil
}

// finish sorts the stores and lists what was sold where.
func (s *surveyor) finish() {
	for i, id := range s.stores.texts {
		s.Stores = append(s.Stores, Store{ID: id, Lines: s.lines[i]})
	}
	slices.SortFunc(s.Stores, func(a, b Store) int { return cmp.Or(cmp.Compare(b.Lines, a.Lines), cmp.Compare(a.ID, b.ID)) })
	s.SKUs = make([]SKU, len(s.skus.texts))
	for i, id := range s.skus.texts {
		s.SKUs[i].ID = id
	}
	for p, units := range s.sold {
		sku := &s.SKUs[p.sku]
		sku.Sold = append(sku.Sold, Sold{s.stores.texts[p.store], units})
	}
	place := make(map[string]int, len(s.Stores))
	for at, st := range s.Stores {
		place[st.ID] = at
	}
	for _, sku := range s.SKUs {
		slices.SortFunc(sku.Sold, func(a, b Sold) int { return cmp.Compare(place[a.Store], place[b.Store]) })
	}
}
