package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/aggregates/stock"
)

// Condensed bytes that some version wrote are read for ever.
func TestGoldenBytesOfACondensedEvent(t *testing.T) {
	const file = "testdata/condensed.v1.hex"
	r, _ := sealed(t, &stock.StockSold{Location: "berlin", Quantity: 2, ReservationID: "cart-1"}, Seal{7})
	data, err := Condense(nil, &r, "~4", func(string) string { return "~3" })
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if _, err := os.Stat(file); os.IsNotExist(err) {
			_ = os.WriteFile(file, []byte(hex.EncodeToString(data)+"\n"), 0o644)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.TrimSpace(string(text)) != hex.EncodeToString(data) {
		t.Errorf("%v: golden %s\nis now %x", err, text, data)
	}
}

// Of every fact: what is condensed has the same leaf, is canonical, decodes, has a JSON form, and tells no name; condensed again it stays the same.
func TestCondensedEvents(t *testing.T) {
	for _, e := range samples() {
		r, _ := sealed(t, e, Seal{1})
		leaf := sha256.Sum256(append([]byte{0}, AppendLeaf(nil, &r)...))
		renames := map[string]bool{}
		if err := EachName(&r, func(id string) { renames[id] = true }); err != nil {
			t.Fatal(err)
		}
		data, err := Condense(nil, &r, "~key", func(id string) string {
			if !renames[id] {
				t.Errorf("%s: %q is renamed and not named", r.Type, id)
			}
			return "~name"
		})
		if err != nil {
			t.Fatal(err)
		}
		r.Data = data
		if got, _ := LeafHash(nil, &r); got != leaf {
			t.Errorf("%s has another leaf", r.Type)
		}
		if again, err := Condense(nil, &r, "~other", nil); err != nil || !bytes.Equal(again, data) || !Canonical(data) {
			t.Errorf("%s is another when condensed again, %v", r.Type, err)
		}
		_, m, err := Decode(r)
		if err != nil || m.Actor != "" || m.CorrelationID != "" || m.CausationID != "" || m.Fingerprint != 0 || m.Source.MessageID != "" || m.IdempotencyKey != "~key" {
			t.Errorf("%s: %+v, %v", r.Type, m, err)
		}
		if err := EachName(&r, func(id string) {
			if id != "~name" {
				t.Errorf("%s still names %q", r.Type, id)
			}
		}); err != nil {
			t.Error(err)
		}
		body, meta, err := JSON(r.Type, data)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := FromJSON(r.Type, body, meta); err != nil || !bytes.Equal(back, data) {
			t.Errorf("%s: JSON leads to %x, %v, not %x", r.Type, back, err, data)
		}
		if p, err := Proto(r); err != nil || !p.Condensed {
			t.Errorf("%s: %v, %v", r.Type, p, err)
		}
	}
}
