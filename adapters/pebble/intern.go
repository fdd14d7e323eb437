package pebble

import (
	"maps"
	"sync/atomic"
)

// maxKinds bounds the event types kept to share.
const maxKinds = 256

// interned shares the strings of event types, of which there are few. Reading takes no lock.
type interned struct {
	known atomic.Pointer[map[string]string]
}

func (n *interned) get(b []byte) string {
	known := n.known.Load()
	if known != nil {
		if name, ok := (*known)[string(b)]; ok {
			return name
		}
		if len(*known) >= maxKinds {
			return string(b)
		}
	}
	name := string(b)
	next := map[string]string{name: name}
	if known != nil {
		maps.Copy(next, *known)
	}
	n.known.CompareAndSwap(known, &next)
	return name
}
