package orders

import "testing"

// Ids may hold whatever separates the parts of a key.
func TestTheVersionBehindAnEventIsReadFromItsKey(t *testing.T) {
	for _, id := range []string{"o-1", "o:1:2", "12:o", ""} {
		if v, ok := VersionBehind(key(id, 7, "o-1#1:x"), id); v != 7 || !ok {
			t.Errorf("order %q: version %d, %t", id, v, ok)
		}
	}
	for _, k := range []string{"", "lapse", "order:3:o-1:", "order:3:o-1:7", "order:3:o-1:x:y", "order:3:o-1:0:y", key("o-2", 7, "y")} {
		if v, ok := VersionBehind(k, "o-1"); ok {
			t.Errorf("%q is of version %d", k, v)
		}
	}
}
