package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// sealed gives a record its seal, after another one.
func sealed(t *testing.T, e aggregates.Event, before Seal) (aggregates.Record, Seal) {
	t.Helper()
	r := record(t, e)
	canonical := r.Data
	r.ID = aggregates.NewEventID(r.Stream, "key", 0, canonical)
	r.Data = append(AppendSealRoom(nil), canonical...)
	return r, PutSeal(before, r.Stream, r.Revision, &r.NewEvent)
}

// What auditors compute with tools of their own; the form is a contract.
func TestASealIsTheDigestOfWhatTheContractSays(t *testing.T) {
	before := Seal{1, 2, 3}
	r, seal := sealed(t, &stock.StockSold{Location: "berlin", Quantity: 2}, before)
	canonical := record(t, &stock.StockSold{Location: "berlin", Quantity: 2}).Data
	var b bytes.Buffer
	b.Write(before[:])
	b.Write(r.ID[:])
	b.Write([]byte{0, 0, 0, 0, 0, 0, 0, 4})
	b.WriteString("\x07sku-a/b\x09StockSold")
	b.Write(canonical)
	if want := sha256.Sum256(b.Bytes()); seal != want {
		t.Errorf("got %x, want %x", seal, want)
	}
	if got := hex.EncodeToString(r.Data[:SealBytes]); got != "7a20"+hex.EncodeToString(seal[:]) {
		t.Errorf("it is stored as %s", got)
	}
	if leaf := AppendLeaf(nil, &r); string(leaf) != string(b.Bytes()[32:b.Len()-len(canonical)])+string(r.Data) {
		t.Errorf("leaf %x", leaf)
	}
}

// Bytes with a seal that some version wrote are read for ever, in both forms.
func TestGoldenBytesWithASeal(t *testing.T) {
	const file = "testdata/sealed.v1.hex"
	r, _ := sealed(t, &stock.StockSold{Location: "berlin", Quantity: 2}, Seal{7})
	if *update {
		if _, err := os.Stat(file); os.IsNotExist(err) {
			_ = os.WriteFile(file, []byte(hex.EncodeToString(r.Data)+"\n"), 0o644)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.TrimSpace(string(text)) != hex.EncodeToString(r.Data) {
		t.Errorf("%v: golden %s\nis now %x", err, text, r.Data)
	}
	e, m, err := Decode(r)
	if err != nil || e.(*stock.StockSold).Quantity != 2 || m != meta {
		t.Errorf("decoded as %+v, %+v, %v", e, m, err)
	}
}

func TestEverySealedEventSurvivesTheRoundTripThroughJSON(t *testing.T) {
	seal := Seal{}
	for _, e := range samples() {
		var r aggregates.Record
		r, seal = sealed(t, e, seal)
		body, meta, err := JSON(r.Type, r.Data)
		if err != nil {
			t.Fatal(r.Type, err)
		}
		data, err := FromJSON(r.Type, body, meta)
		if err != nil || !bytes.Equal(data, r.Data) {
			t.Errorf("%s: %x became %x, %v", r.Type, r.Data, data, err)
		}
		r.Data = data
		if got, _, ok := CutSeal(data); !ok || got != seal {
			t.Errorf("%s: seal %x became %x", r.Type, seal, got)
		}
	}
}

func TestASealElsewhereOrOfAnotherLengthIsNotOurs(t *testing.T) {
	r := record(t, &stock.StockSold{Location: "berlin", Quantity: 2})
	twice := append(AppendSealRoom(nil), append(AppendSealRoom(nil), r.Data...)...)
	behind := append(bytes.Clone(r.Data), AppendSealRoom(nil)...)
	for _, data := range [][]byte{twice, behind} {
		if _, _, err := JSON("StockSold", data); !errors.Is(err, ErrNoJSON) {
			t.Errorf("%x has a JSON form: %v", data, err)
		}
	}
	if data, err := FromJSON("StockSold", []byte(`{}`), []byte(`{"seal":"AAAA"}`)); !errors.Is(err, ErrNotOurs) {
		t.Errorf("a short seal was taken: %x, %v", data, err)
	}
}

// An event written before there were seals counts for the ones after it, whatever its bytes end or begin with.
func TestAnEventWithoutASealIsFollowedByOneThatVouchesForIt(t *testing.T) {
	r := record(t, &stock.StockAdjusted{Location: "berlin", Delta: 1, Reason: "z " + strings.Repeat("x", 32)})
	if _, canonical, ok := CutSeal(r.Data); ok || !bytes.Equal(canonical, r.Data) {
		t.Fatal("a seal was found in an event without one")
	}
	first := FollowSeal(Seal{}, &r)
	changed := r
	changed.Data = bytes.Clone(r.Data)
	changed.Data[len(changed.Data)-1]++
	if first == (Seal{}) || first == FollowSeal(Seal{}, &changed) || first == FollowSeal(Seal{1}, &r) {
		t.Error("the seal does not tell what was before")
	}
	carried, seal := sealed(t, &stock.StockSold{Location: "berlin", Quantity: 2}, first)
	if FollowSeal(Seal{9}, &carried) != seal {
		t.Error("the seal that an event carries is not the one that is followed")
	}
}

func TestSealingAllocatesNothing(t *testing.T) {
	r, _ := sealed(t, &stock.StockSold{Location: "berlin", Quantity: 2}, Seal{})
	if n := testing.AllocsPerRun(100, func() { PutSeal(Seal{}, r.Stream, r.Revision, &r.NewEvent) }); n > 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkSeal(b *testing.B) {
	e := aggregates.NewEvent{Type: "ReservationPlaced", Data: append(AppendSealRoom(nil), make([]byte, 160)...)}
	b.ReportAllocs()
	for b.Loop() {
		PutSeal(Seal{}, "sku-1082185", 17, &e)
	}
}
