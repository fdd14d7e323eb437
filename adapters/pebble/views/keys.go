package views

import (
	"encoding/binary"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// The key spaces. The first byte tells the space; a projection's spaces lie together, from its progress on.
const (
	spaceMeta byte = 0x01

	spaceAvailability byte = 0x10 // progress
	spaceDocuments    byte = 0x11 // SKU

	spaceReservations byte = 0x20 // progress
	spaceRecords      byte = 0x21 // id, SKU
	spaceEndedBySKU   byte = 0x22 // SKU, place, id; ended ones only
	spaceLiveBySKU    byte = 0x23 // the same; live ones only
	spaceDue          byte = 0x24 // end of the hold, SKU, id; held ones only
	spaceEnded        byte = 0x25 // end, SKU, id; ended ones only

	spacePolicies  byte = 0x30 // progress
	spaceChannels  byte = 0x31 // id
	spaceLocations byte = 0x32 // id
	spaceRules     byte = 0x33 // of aggregates.SharedRules only

	spaceEnd byte = 0x40 // of what comes before

	spaceOrders         byte = 0x50 // progress
	spaceOrderRecords   byte = 0x51 // id
	spaceOrdersByPlace  byte = 0x52 // position of the first event, id
	spaceOrdersToWork   byte = 0x53 // id; those pending, or with holds that end
	spaceOrdersAreBelow byte = 0x54

	spaceLedger        byte = 0x60 // progress
	spaceLedgerGroups  byte = 0x61 // group
	spaceLedgerBlocks  byte = 0x62 // group, axis, start
	spaceLedgerIsBelow byte = 0x63
	spaceAudit         byte = 0x90 // progress
	spaceTiles         byte = 0x91 // level, index of a tile
	spaceRuns          byte = 0x92 // segment, id and position of the first place
	spaceAuditIsBelow  byte = 0x93

	spacePublished       byte = 0x94 // SKU, position, first channel, time
	spacePublishedByTime byte = 0x95 // time, and the key after it

	spaceSelfCheck byte = 0x96 // one value
)

// byPrefix orders keys bytewise, and has filters know the records of a reservation by its id.
var byPrefix = func() *pebbledb.Comparer {
	c := *pebbledb.DefaultComparer
	c.Name, c.Split = "stockfold.views.v1", keyPrefix
	return &c
}()

// keyPrefix returns the length of a key's prefix: of a record's, what comes before the SKU; of any other, all. No prefix
// begins with another one.
func keyPrefix(key []byte) int {
	if len(key) == 0 || key[0] != spaceRecords {
		return len(key)
	}
	_, rest, ok := cutName(key[1:])
	if !ok {
		return len(key)
	}
	return len(key) - len(rest)
}

// appendName appends a text of any bytes with its length, so that another part can follow.
func appendName(dst []byte, name string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(name))), name...)
}

// cutName is the reverse of appendName.
func cutName(b []byte) (name, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	b = b[used:]
	return b[:n], b[n:], true
}

// after returns the first key that does not begin with a prefix; the prefix must not be all 0xff.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
}
