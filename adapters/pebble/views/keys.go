package views

import "encoding/binary"

// The key spaces. The first byte tells the space; a projection's spaces lie together, from its progress on.
const (
	spaceMeta byte = 0x01

	spaceAvailability byte = 0x10 // progress
	spaceDocuments    byte = 0x11 // SKU

	spaceReservations byte = 0x20 // progress
	spaceRecords      byte = 0x21 // id, SKU
	spaceBySKU        byte = 0x22 // SKU, place, id
	spaceLiveBySKU    byte = 0x23 // the same, live ones only
	spaceDue          byte = 0x24 // end of the hold, SKU, id; held ones only
	spaceEnded        byte = 0x25 // end, SKU, id; ended ones only
	spaceIDs          byte = 0x26 // id; there when the id has records: a miss, the usual answer, takes one look

	spacePolicies  byte = 0x30 // progress
	spaceChannels  byte = 0x31 // id
	spaceLocations byte = 0x32 // id

	spaceEnd byte = 0x40
)

// appendName appends a text of any bytes with its length, so that another part can follow.
func appendName(dst []byte, name string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(name))), name...)
}

// cutName is the reverse of appendName.
func cutName(b []byte) (name string, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return "", nil, false
	}
	b = b[used:]
	return string(b[:n]), b[n:], true
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
