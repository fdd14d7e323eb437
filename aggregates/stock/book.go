package stock

import (
	"hash/maphash"
	"math/bits"
	"unique"
)

// book finds reservations by id. It is a hash table by linear hashing (Litwin, "Linear Hashing: A New Tool for File and Table Addressing", 1980):
// there is one bucket for each reservation, and with each that comes one bucket is split in two, with each that goes two become one. So no change
// costs more when there are many, and a reservation takes one pointer in the table and one in its bucket's chain. The zero value is empty.
type book struct {
	buckets []*kept
	latest  unique.Handle[terms] // of the reservation that came last
	bytes   int                  // of memory that the reservations take
	room    [1]Split             // for reading a reservation that is changed
}

var bookSeed = maphash.MakeSeed()

func (b *book) len() int { return len(b.buckets) }

// bucket is where an id belongs. Of its hash as many bits count as number the buckets, one less where that is beyond the last one.
func (b *book) bucket(id string) int {
	last := len(b.buckets) - 1
	mask := 1<<bits.Len(uint(last)) - 1
	if i := int(maphash.String(bookSeed, id)) & mask; i <= last {
		return i
	} else {
		return i & (mask >> 1)
	}
}

// parent is the bucket that one was split from.
func parent(bucket int) int { return bucket &^ (1 << (bits.Len(uint(bucket)) - 1)) }

// find returns a reservation, nil when there is none of that id.
func (b *book) find(id string) *kept {
	if len(b.buckets) == 0 {
		return nil
	}
	k := b.buckets[b.bucket(id)]
	for k != nil && k.id != id {
		k = k.next
	}
	return k
}

// add takes in a reservation whose id is not in.
func (b *book) add(k *kept) {
	b.buckets = append(tight(b.buckets), nil)
	if last := len(b.buckets) - 1; last > 0 {
		chain := b.buckets[parent(last)]
		b.buckets[parent(last)] = nil
		b.spread(chain)
	}
	b.push(k)
	b.bytes += k.size()
}

func (b *book) push(k *kept) {
	i := b.bucket(k.id)
	k.next, b.buckets[i] = b.buckets[i], k
}

// remove takes out a reservation that is in.
func (b *book) remove(k *kept) {
	at := &b.buckets[b.bucket(k.id)]
	for *at != k {
		at = &(*at).next
	}
	*at, k.next = k.next, nil
	b.bytes -= k.size()
	last := len(b.buckets) - 1
	chain := b.buckets[last]
	b.buckets[last] = nil
	b.buckets = lessRoom(b.buckets[:last])
	b.spread(chain)
}

// spread puts each reservation of a chain where it belongs.
func (b *book) spread(chain *kept) {
	for chain != nil {
		k := chain
		chain = k.next
		b.push(k)
	}
}

// each yields the reservations, in no order.
func (b *book) each(yield func(*kept) bool) {
	for _, k := range b.buckets {
		for ; k != nil; k = k.next {
			if !yield(k) {
				return
			}
		}
	}
}
