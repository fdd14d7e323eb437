package order

import "strings"

// Hold names a reservation of an order: one that was there before, or a number of its own.
type Hold struct {
	TakenOver string
	Suffix    string
}

// ID is the reservation's id, for an order.
func (h Hold) ID(order string) string {
	if h.Suffix == "" {
		return h.TakenOver
	}
	return order + h.Suffix
}

// named tells whether an id is the hold's, whatever the order.
func (h Hold) named(id string) bool {
	if h.Suffix == "" {
		return id == h.TakenOver
	}
	return strings.HasSuffix(id, h.Suffix)
}

func (s *State) holdOfGroup(g *group) Hold {
	if g.hold != "" {
		return Hold{Suffix: g.hold}
	}
	return Hold{TakenOver: g.takesOver}
}

func (s *State) holdOf(l *line) Hold {
	if l.group < 0 {
		return Hold{}
	}
	return s.holdIn(l.group)
}
