package replicas

import (
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// row counts what became of one kind of command or fact.
type row struct {
	what                                                              string
	asked, acknowledged, refused, applied, lost, doubled, unwarranted int
}

// audit is what the comparison of a ledger with the histories of its SKUs found.
type audit struct {
	rows     []row
	oversold int // units promised that nobody had
	broke    int // facts that left less than was promised
	model    map[string]*naive
}

// examine compares a ledger with the events of every SKU.
func examine(l *ledger, histories map[string][]*pb.Event) *audit {
	a := &audit{model: map[string]*naive{}}
	applied := map[string]int{}
	for sku, events := range histories {
		n := newNaive()
		for _, e := range events {
			n.fold(e)
		}
		a.model[sku] = n
		a.oversold += n.oversold
		a.broke += n.broke
		for what, times := range n.applied {
			applied[what] += times
		}
	}
	for _, step := range []struct {
		what, key string
		of        func(*cart) outcome
	}{
		{"reservations placed", "placed ", func(c *cart) outcome { return c.placed }},
		{"confirmed", "confirmed ", func(c *cart) outcome { return c.confirmed }},
		{"released", "released ", func(c *cart) outcome { return c.released }},
		{"fulfilled", "fulfilled ", func(c *cart) outcome { return c.fulfilled }},
	} {
		r := row{what: step.what}
		for _, c := range l.carts {
			asked := c.placed != unknown && step.key == "placed " || step.of(c) != unknown
			r.count(asked, step.of(c), applied[step.key+c.id])
		}
		a.rows = append(a.rows, r)
	}
	lapsed := row{what: "holds ended by time"}
	for _, c := range l.carts {
		should := unknown
		if c.lapses && c.placed == acknowledged {
			should = acknowledged
		}
		lapsed.count(should != unknown, should, applied["expired "+c.id])
	}
	a.rows = append(a.rows, lapsed)
	for _, by := range []way{byTill, byMovement, byRPC} {
		r := row{what: string(by)}
		for _, f := range l.facts {
			if f.by == by {
				r.count(f.told != unknown, f.told, applied["told "+f.id])
			}
		}
		a.rows = append(a.rows, r)
	}
	return a
}

// count adds one command or fact that was applied so many times.
func (r *row) count(asked bool, o outcome, times int) {
	if asked {
		r.asked++
	}
	r.applied += times
	switch o {
	case acknowledged:
		r.acknowledged++
		if times == 0 {
			r.lost++
		}
	case refused:
		r.refused++
	}
	if times > 1 {
		r.doubled += times - 1
	}
	if times > 0 && o != acknowledged {
		r.unwarranted++
	}
}

func (r *row) add(x row) {
	r.asked += x.asked
	r.acknowledged += x.acknowledged
	r.refused += x.refused
	r.applied += x.applied
	r.lost += x.lost
	r.doubled += x.doubled
	r.unwarranted += x.unwarranted
}

// total adds all up.
func (a *audit) total() row {
	sum := row{what: "all"}
	for _, r := range a.rows {
		sum.add(r)
	}
	return sum
}
