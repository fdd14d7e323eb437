package pebble

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/ingest"
)

// TestStoredBytesStay pins the stored form: databases of today must be readable for ever. A change that breaks it needs
// a new version byte and a reader for both.
func TestStoredBytesStay(t *testing.T) {
	e := aggregates.NewEvent{ID: aggregates.EventID{1, 2, 3, 15: 16}, Type: "StockSold", Data: []byte("data")}
	letter, err := encodeLetter(&ingest.DeadLetter{ID: "1", State: ingest.Discarded, Reason: "MALFORMED", Value: []byte{0xff},
		Headers: []ingest.Header{{Key: "k", Value: []byte("v")}}, ReceivedAt: 1_000_001, Attempts: 2, Applied: []int32{1, 3}})
	if err != nil {
		t.Fatal(err)
	}
	lower, upper := streamBounds("sku-ä")
	for name, x := range map[string]struct {
		got  []byte
		want string
	}{
		"event key":    {appendEventKey(nil, 258), "650000000000000102"},
		"event":        {appendFrame(nil, "sku-ä", 300, &e), "0106736b752dc3a40953746f636b536f6c64ac020102030000000000000000000000001064617461"},
		"run key":      {appendRunKey(nil, lower, 258), "7306736b752dc3a40000000000000102"},
		"run":          {appendRunValue(nil, 300, 2), "ac0202"},
		"stream upper": {upper, "7306736b752dc3a4ffffffffffffffffff"},
		"snapshot key": {appendNamed(nil, spaceSnapshot, "a"), "6e0161"},
		"offset key":   {offsetKey("t", 258), "6f017400000102"},
		"letter key":   {letterKey("1"), "6431"},
		"letter state": {letterStateKey(ingest.Discarded, "1"), "6c0331"},
		"letter":       {letter, "010202060a013110031a094d414c464f524d45444a060a016b1201765201ff5a05080110e8076802"},
		"progress":     {encodeProgress(ingest.Progress{Next: 300, Epoch: 2, LogID: "log", SavedAt: 5, AppliedBelow: 1, AppliedBefore: 4}), "01d804040a02086c6f67"},
		"identity":     {identityKey, "6d6964"},
		"heads key":    {headsKey, "6d6865616473"},
	} {
		if got := hex.EncodeToString(x.got); got != x.want {
			t.Errorf("%s is stored as %s, want %s", name, got, x.want)
		}
	}
}

var anyName = rapid.Custom(func(t *rapid.T) string {
	return string(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 'b', 0x7f, 0x80, 0xfe, 0xff}), 1, 140).Draw(t, "name"))
})

func TestFramesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := aggregates.NewEvent{Type: anyName.Draw(t, "type"), Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data")}
		copy(e.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		stream, revision := anyName.Draw(t, "stream"), rapid.Uint64().Draw(t, "revision")
		b := appendFrame(nil, stream, revision, &e)
		if len(b) != frameBytes(stream, revision, &e) {
			t.Fatalf("frame has %d bytes, %d were reckoned", len(b), frameBytes(stream, revision, &e))
		}
		var f frame
		if err := f.parse(1, b); err != nil {
			t.Fatal(err)
		}
		if string(f.stream) != stream || string(f.kind) != e.Type || f.revision != revision || f.id != e.ID || !bytes.Equal(f.data, e.Data) {
			t.Fatalf("%+v in %q came back as %+v", e, stream, f)
		}
		if cut := rapid.IntRange(0, len(b)-len(e.Data)-1).Draw(t, "cut"); f.parse(1, b[:cut]) == nil {
			t.Fatalf("a frame cut to %d of %d bytes was read", cut, len(b))
		}
	})
}

// TestRunsOfAStreamLieTogether: no run of another stream lies within a stream's bounds, and its own are in order.
func TestRunsOfAStreamLieTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyName.Draw(t, "a"), anyName.Draw(t, "b")
		if rapid.Bool().Draw(t, "begins alike") {
			b = a + b
		}
		lower, upper := streamBounds(a)
		x, y := rapid.Uint64().Draw(t, "x"), rapid.Uint64().Draw(t, "y")
		own, next := appendRunKey(nil, lower, x), appendRunKey(nil, lower, y)
		if bytes.Compare(own, lower) < 0 || bytes.Compare(own, upper) >= 0 {
			t.Fatalf("revision %d of %q is out of the bounds of its stream", x, a)
		}
		if got := bytes.Compare(own, next); (got < 0) != (x < y) || (got == 0) != (x == y) {
			t.Fatalf("revisions %d and %d are in the wrong order", x, y)
		}
		otherLower, _ := streamBounds(b)
		other := appendRunKey(nil, otherLower, y)
		if a != b && bytes.Compare(other, lower) >= 0 && bytes.Compare(other, upper) < 0 {
			t.Fatalf("revision %d of %q is within the bounds of %q", y, b, a)
		}
	})
}

func TestRunsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := run{revision: rapid.Uint64().Draw(t, "revision"), position: rapid.Uint64().Draw(t, "position"), count: rapid.Uint64Range(1, math.MaxUint64).Draw(t, "count")}
		lower, _ := streamBounds(anyName.Draw(t, "stream"))
		key, value := appendRunKey(nil, lower, want.revision), appendRunValue(nil, want.position, want.count)
		if len(value) != uvarintBytes(want.position)+uvarintBytes(want.count) {
			t.Fatalf("value has %d bytes", len(value))
		}
		got, err := parseRun(key, value)
		if err != nil || got != want {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
		if _, err := parseRun(key, value[:len(value)-1]); err == nil {
			t.Fatal("a run cut short was read")
		}
	})
}

func TestDamagedValuesAreErrorsNotPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")
		if rapid.Bool().Draw(t, "known version") {
			b = append([]byte{1}, b...)
		}
		var f frame
		_ = f.parse(1, b)
		_, _ = parseRun(b, b)
		_, _, _ = parseSnapshot(b)
		_, _ = parseProgress(b)
		_, _ = decodeLetter("x", b)
	})
	var f frame
	if err := f.parse(7, []byte{2}); err == nil || !strings.Contains(err.Error(), "newer version") || !strings.Contains(err.Error(), "7") {
		t.Errorf("a newer format: %v, want to hear of the position and the version", err)
	}
}

func TestLettersComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, data := rapid.StringN(0, 5, 20), rapid.SliceOfN(rapid.Byte(), 1, 5)
		want := ingest.DeadLetter{
			ID: "id", State: ingest.State(rapid.IntRange(1, 3).Draw(t, "state")), Reason: text.Draw(t, "reason"), Message: text.Draw(t, "message"),
			Topic: text.Draw(t, "topic"), Partition: rapid.Int32().Draw(t, "partition"), Offset: rapid.Int64().Draw(t, "offset"),
			Key: data.Draw(t, "key"), Value: data.Draw(t, "value"), Attempts: rapid.IntRange(0, 1<<31-1).Draw(t, "attempts"),
			ReceivedAt:  aggregates.Instant(rapid.Int64Range(0, 253_402_300_799_999_999).Draw(t, "received")),
			LastTriedAt: aggregates.Instant(rapid.Int64Range(0, 253_402_300_799_999_999).Draw(t, "tried")),
			Note:        text.Draw(t, "note"), Location: text.Draw(t, "location"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			want.Headers = append(want.Headers, ingest.Header{Key: text.Draw(t, "header"), Value: data.Draw(t, "value")})
			want.Applied = append(want.Applied, rapid.Int32().Draw(t, "applied"))
		}
		b, err := encodeLetter(&want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeLetter("id", b); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
	})
}
