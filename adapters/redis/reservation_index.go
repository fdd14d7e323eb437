package redis

import (
	"context"
	"encoding/binary"

	goredis "github.com/redis/go-redis/v9"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections/reservations"
)

// indexed is a record's place in an index.
type indexed struct {
	space  string
	of     string // what places the index's key: the SKU, or the id whose partition it is
	member string
	id     string
	sku    string
}

// entriesOf are the places of a record in the indexes; none for nil.
func entriesOf(r *reservations.Record) []indexed {
	if r == nil {
		return nil
	}
	at := func(space, of, member string) indexed {
		return indexed{space: space, of: of, member: member, id: r.ID, sku: r.SKU}
	}
	placed := string(bigEndian(r.Placed)) + r.ID
	list := []indexed{at(spacePlaced, r.SKU, placed)}
	if r.Live() {
		list = append(list, at(spaceLive, r.SKU, placed))
	} else {
		list = append(list, at(spaceEnded, r.ID, timeMember(r.EndedAt, r)))
	}
	if r.Status == stock.StatusHeld {
		list = append(list, at(spaceDue, r.ID, timeMember(r.ExpiresAt, r)))
	}
	return list
}

// index adds places, or removes them.
func (m *Reservations) index(ctx context.Context, places []indexed, add bool) error {
	calls := make([]call, len(places))
	for i, x := range places {
		key := m.db.partitioned(x.space, x.of)
		if x.space == spacePlaced || x.space == spaceLive {
			key = m.db.key(x.space, tagged(x.of))
		}
		calls[i] = func(pipe goredis.Pipeliner) {
			if add {
				pipe.ZAdd(ctx, key, goredis.Z{Member: x.member})
			} else {
				pipe.ZRem(ctx, key, x.member)
			}
		}
	}
	return m.db.run(ctx, calls)
}

func bigEndian(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// timeMember orders by time: eight bytes of it, the length of the SKU, the SKU, the id.
func timeMember(at aggregates.Instant, r *reservations.Record) string {
	b := binary.AppendUvarint(bigEndian(uint64(at)), uint64(len(r.SKU)))
	return string(append(append(b, r.SKU...), r.ID...))
}

func cutTimeMember(member string) (id, sku string, ok bool) {
	if len(member) < 9 {
		return "", "", false
	}
	n, used := binary.Uvarint([]byte(member[8:]))
	if rest := member[8+max(used, 0):]; used > 0 && n <= uint64(len(rest)) {
		return rest[n:], rest[:n], true
	}
	return "", "", false
}
