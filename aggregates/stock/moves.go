package stock

import "slices"

// MoveRule says whether promises that cannot be kept at a location move to others by themselves.
type MoveRule struct {
	Channel  string // "" for every
	Location string // "" for each
	Off      bool   // they stay
}

// Moves are rules of moves, no two about the same. Without one promises move.
type Moves []MoveRule

// Stay tells whether promises of a channel stay where they are at a location. The most specific rule counts, wholly: of channel and location,
// of the channel, of the location, of neither.
func (m Moves) Stay(channel, location string) bool {
	best := -1
	off := false
	for _, r := range m {
		if r.Channel != "" && r.Channel != channel || r.Location != "" && r.Location != location {
			continue
		}
		if rank := r.rank(); rank > best {
			best, off = rank, r.Off
		}
	}
	return off
}

func (r *MoveRule) rank() (rank int) {
	if r.Channel != "" {
		rank += 2
	}
	if r.Location != "" {
		rank++
	}
	return rank
}

// Of are the rules that can be about a channel.
func (m Moves) Of(channel string) Moves {
	return slices.DeleteFunc(slices.Clone(m), func(r MoveRule) bool { return r.Channel != "" && r.Channel != channel })
}
