package stock

import "unsafe"

// What parts of a state cost in memory, in bytes, about: the struct, its share of slices and maps, and texts of usual
// length. Measured by TestSizeIsAboutRight.
const (
	sizeState       = int(unsafe.Sizeof(State{}))
	sizeBalance     = int(unsafe.Sizeof(Balance{})) + int(unsafe.Sizeof(journal{})) + 32
	sizeEntry       = int(unsafe.Sizeof(entry{})) * 3 / 2
	sizeReservation = int(unsafe.Sizeof(reservation{})) + 160
	sizeKey         = int(unsafe.Sizeof(seenKey{}))*3/2 + 40
	sizeCall        = sizeKey + int(unsafe.Sizeof(Reservation{})) + 24
	sizeDocument    = int(unsafe.Sizeof(supplyEntry{})) + int(unsafe.Sizeof(supplyKey{})) + int(unsafe.Sizeof(supplyReceipt{})) + 120
	sizeLine        = int(unsafe.Sizeof(supplyLine{})) + 24
	sizeOrigin      = int(unsafe.Sizeof(origin{})) + 32
)

// Size is about how many bytes of memory the state takes, for whoever bounds a cache of states. It costs the same for any state.
func (s *State) Size() int {
	supply := 0
	if s.supply != nil {
		supply = len(s.supply.documents)*sizeDocument + s.supply.lines*sizeLine
	}
	return sizeState + supply + len(s.list)*sizeBalance + s.entries*sizeEntry + len(s.reservations)*sizeReservation +
		s.facts.len()*sizeKey + s.calls.len()*sizeCall + len(s.origins)*sizeOrigin
}
