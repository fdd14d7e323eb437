//go:build !race

package availability

import "testing"

// The race detector makes code allocate that does not without it.
func TestEncoderAllocatesNothingOnceItIsWarm(t *testing.T) {
	var e Encoder
	d, room := sample(), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { _, _ = e.Append(room, d) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
