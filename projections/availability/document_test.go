package availability

import (
	"encoding/hex"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// sample is a document with something in every field.
func sample() *Document {
	d := &Document{SKU: "a/ä", Position: 300, RecordedAt: 1_700_000_000_000_001}
	d.Balances.Item = stock.Item{Registered: true, ByDefault: true, Name: "Shoe", Unit: "kg", Category: "c", Decimals: 3}
	x := stock.Balance{Location: "berlin", Reserved: 5, SafetyStock: 2, InTransit: -1, OnHand: [4]int64{9, -1, 1 << 40, 3}}
	x.Holds.Add(1_700_000_100*aggregates.Second, 3)
	x.Holds.Add(1_700_000_200*aggregates.Second, 1)
	d.Balances.Put(x)
	d.Balances.Put(stock.Balance{Location: ""})
	d.prices = &pricing{version: 250, channels: []priced{{id: "app", position: 7, recordedAt: 70}, {id: "web", position: 250, recordedAt: 90}}}
	d.values = []int64{4, 0}
	return d
}

func encode(t *testing.T, d *Document) []byte {
	t.Helper()
	b, err := new(Encoder).Append(nil, d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden is the stored form of the sample by the first version of this format. It must stay readable for ever.
const golden = "0a04612fc3a410ac02188180f9c0c1c4820322110801120453686f651a026b6722016328032a061204000000002a290a" +
	"066265726c696e1209120180808080804006180a20042801320ae4e2cfaa06c8e3cfaa063a02060230fa013a0b0a0361" +
	"70701004180720463a0a0a0377656218fa01205a"

func TestStoredFormOfTheFirstVersionIsReadForEver(t *testing.T) {
	b, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if now, was := hex.EncodeToString(encode(t, got)), hex.EncodeToString(encode(t, sample())); now != was {
		t.Fatalf("reads as %+v, encoded %s, want %s", got, now, was)
	}
}

func TestStoredDocumentIsReadBack(t *testing.T) {
	want := sample()
	got, err := Decode(encode(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if hex.EncodeToString(encode(t, got)) != hex.EncodeToString(encode(t, want)) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	b := got.Balances.At("berlin")
	if b == nil || b.OnHand != [4]int64{9, -1, 1 << 40, 3} || b.Reserved != 5 || b.InTransit != -1 || b.Holds.Len() != 2 ||
		b.Live(1_700_000_100*aggregates.Second) != 2 || got.Balances.Item != want.Balances.Item || got.Balances.Len() != 2 {
		t.Fatalf("balances %+v", got.Balances)
	}
	if c := got.Channels(); len(c) != 2 || c[0] != want.Channels()[0] || c[1] != want.Channels()[1] || got.Policies() != 250 {
		t.Fatalf("channels %+v", c)
	}
}

func TestOlderReaderSkipsFieldsOfANewerWriter(t *testing.T) {
	b := encode(t, sample())
	b = protowire.AppendTag(b, 900, protowire.BytesType)
	b = protowire.AppendBytes(b, []byte("from the future"))
	got, err := Decode(b)
	if err != nil || got.SKU != "a/ä" || got.values[0] != 4 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestDamagedDocumentIsAnError(t *testing.T) {
	b := encode(t, sample())
	if _, err := Decode(b[:len(b)-3]); err == nil {
		t.Fatal("half a document was read")
	}
}

func TestEncoderKeepsNothingOfTheDocumentBefore(t *testing.T) {
	var e Encoder
	small := &Document{SKU: "b", Position: 1}
	fresh, err := new(Encoder).Append(nil, small)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Append(nil, sample()); err != nil {
		t.Fatal(err)
	}
	again, err := e.Append(nil, small)
	if err != nil || hex.EncodeToString(again) != hex.EncodeToString(fresh) {
		t.Fatalf("got %x, want %x, %v", again, fresh, err)
	}
}

// A value's version is the newer of the SKU's last event and the channel's last change.
func TestValueHasThePositionOfTheNewerOfBoth(t *testing.T) {
	d := sample()
	if c := d.Channels()[1]; c.Position != 300 || c.RecordedAt != d.RecordedAt {
		t.Fatalf("got %+v", c)
	}
	d.Position = 200
	if c := d.Channels()[1]; c.Position != 250 || c.RecordedAt != 90 {
		t.Fatalf("got %+v", c)
	}
	if c := d.Channels()[0]; c.Position != 200 {
		t.Fatalf("got %+v", c)
	}
}

func TestSupplyAndLaterPromisesAreReadBack(t *testing.T) {
	want := sample()
	l := &stock.Later{Promises: []stock.Dated{{At: 1_700_000_300 * aggregates.Second, Quantity: 7}}}
	l.Incoming.Add(1_700_000_150*aggregates.Second, 40)
	l.Incoming.Add(1_700_000_250*aggregates.Second, 2)
	l.Promises[0].Holds.Add(1_700_000_100*aggregates.Second, 3)
	x := *want.Balances.At("berlin")
	x.Later = l
	want.Balances.Put(x)
	var e Encoder
	for range 2 { // the encoder keeps its memory: nothing may be left in it
		b, err := e.Append(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Balances.At("berlin").Later, l) {
			t.Fatalf("got %+v", got.Balances.At("berlin").Later)
		}
		if plain := encode(t, sample()); string(plain) == string(b) {
			t.Fatal("the future is not in the document")
		}
	}
	without, err := e.Append(nil, sample())
	if err != nil || hex.EncodeToString(without) != hex.EncodeToString(encode(t, sample())) {
		t.Fatalf("a document after it: %v", err)
	}
	if want.Size() <= sample().Size() {
		t.Error("the future takes no memory")
	}
}
