package codec

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates/stock"
)

func TestEveryEventSurvivesTheRoundTripThroughJSON(t *testing.T) {
	for _, e := range samples() {
		r := record(t, e)
		body, meta, err := JSON(r.Type, r.Data)
		if err != nil {
			t.Errorf("%s: %v", r.Type, err)
			continue
		}
		data, err := FromJSON(r.Type, body, meta)
		if err != nil || string(data) != string(r.Data) {
			t.Errorf("%s: %x became %x, %v\n%s\n%s", r.Type, r.Data, data, err, body, meta)
		}
	}
}

// What EventStoreDB's own tools see: these documents are a contract like the bytes.
func TestTheJSONFormIsWhatToolsExpect(t *testing.T) {
	r := record(t, &stock.StockSold{Location: "köln <1>", Quantity: 1 << 60, Channel: "web"})
	body, meta, err := JSON(r.Type, r.Data)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"location":"köln <1>","quantity":"1152921504606846976","channel":"web"}`; string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	want := `{"$correlationId":"order-9","$causationId":"msg-1","occurredAt":"2026-01-01T11:59:59.999999Z","recordedAt":"2026-01-01T12:00:00Z",` +
		`"source":{"system":"wms","document":"asn-1","line":"2","sequence":"17","messageId":"1","topic":"stockfold.movements.v1","partition":3,"offset":"99"},` +
		`"actor":"wms","idempotencyKey":"m:wms:1","fingerprint":"18369548392226226467"}`
	if string(meta) != want {
		t.Errorf("got  %s\nwant %s", meta, want)
	}
}

func TestMembersOfANewerVersionArePassedOver(t *testing.T) {
	body := []byte(`{"location": "berlin", "quantity": 2, "temperature": {"celsius": 4}}`)
	data, err := FromJSON("StockSold", body, []byte(`{"$correlationId": "c", "$schema": "x"}`))
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, &stock.StockSold{})
	r.Data = data
	e, m, err := Decode(r)
	if err != nil || !reflect.DeepEqual(e, &stock.StockSold{Location: "berlin", Quantity: 2}) || m.CorrelationID != "c" {
		t.Errorf("got %+v, %+v, %v", e, m, err)
	}
}

// What a newer version calls by another name is not what is left out here: that would be sellable.
func TestAValueOfANewerVersionIsNotTakenForAnother(t *testing.T) {
	for _, body := range []string{
		`{"location": "berlin", "condition": "CONDITION_REFURBISHED", "quantity": 2}`,
		`{"location": "berlin", "quantity": 2, "c\u006fndition": "CONDITION_REFURBISHED"}`,
	} {
		data, err := FromJSON("StockReceived", []byte(body), nil)
		r := record(t, &stock.StockReceived{})
		r.Data = data
		e, _, decoded := Decode(r)
		if !errors.Is(err, ErrNotOurs) || decoded == nil {
			t.Errorf("%s: got %v; decoded as %+v, %v", body, err, e, decoded)
		}
	}
	if _, err := FromJSON("StockReceived", []byte(`{"location": "berlin", "quantity": 2}`), nil); err != nil {
		t.Errorf("left out: %v", err)
	}
}

func TestATypeOfANewerVersionKeepsItsMetadata(t *testing.T) {
	data, err := FromJSON("StockTeleported", []byte(`{"to": "mars"}`), []byte(`{"$causationId": "x"}`))
	if !errors.Is(err, ErrNotOurs) {
		t.Fatalf("got %v, want ErrNotOurs", err)
	}
	r := record(t, &stock.StockSold{})
	r.Type, r.Data = "StockTeleported", data
	var unknown *UnknownTypeError
	if _, _, err := Decode(r); !errors.As(err, &unknown) {
		t.Errorf("got %v, want UnknownTypeError", err)
	}
	if p, err := Proto(r); err != nil || p.CausationId != "x" {
		t.Errorf("got %v, %v", p, err)
	}
}

func TestBytesWithoutAJSONFormAreRefused(t *testing.T) {
	sold := record(t, &stock.StockSold{Location: "berlin", Quantity: 2})
	for name, x := range map[string]struct {
		kind string
		data []byte
	}{
		"nothing":                   {"StockSold", nil},
		"any bytes":                 {"StockSold", []byte("event 1 of sku-a")},
		"another fact":              {"StockReceived", sold.Data},
		"a type that is not known":  {"StockTeleported", sold.Data},
		"a field of a newer one":    {"StockSold", append(append([]byte{}, sold.Data...), 0xfa, 0x3e, 0x02, 'h', 'i')},
		"a field within":            {"StockSold", append(append([]byte{}, sold.Data...), 0xba, 0x01, 0x05, 0xfa, 0x3e, 0x02, 'h', 'i')},
		"a zero that is spelt out":  {"StockSold", append(append([]byte{}, sold.Data...), 0x52, 0x00)},
		"text that is not Unicode":  {"StockSold", record(t, &stock.StockSold{Location: "\xff", Quantity: 2}).Data},
		"a time beyond what is one": {"StockSold", append([]byte{0x32, 0x08, 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40}, sold.Data...)},
	} {
		if body, meta, err := JSON(x.kind, x.data); !errors.Is(err, ErrNoJSON) {
			t.Errorf("%s: got %s, %s, %v, want ErrNoJSON", name, body, meta, err)
		}
	}
}

func TestDocumentsThatAreNotOursAreRefused(t *testing.T) {
	for name, x := range map[string][3]string{
		"no object":                 {"StockSold", `[]`, `{}`},
		"another kind of value":     {"StockSold", `{"quantity": "many"}`, `{}`},
		"no JSON":                   {"StockSold", `{"quantity": 1`, `{}`},
		"metadata with a fact":      {"StockSold", `{}`, `{"stockSold": {}}`},
		"metadata of others":        {"StockSold", `{}`, `{"recordedAt": 7}`},
		"metadata no object":        {"StockSold", `{}`, `"x"`},
		"two correlations":          {"StockSold", `{}`, `{"$correlationId": "a", "correlationId": "b"}`},
		"a correlation by our name": {"StockSold", `{}`, `{"correlation_id": "a"}`},
		"the same name twice":       {"StockSold", `{}`, `{"$correlationId": "a", "\u0024correlationId" : "b", "actor": 1}`},
		"text without an end":       {"StockSold", `{}`, `{"$correlationId": "a`},
		"nothing but a mark":        {"StockSold", `{}`, `"`},
	} {
		if data, err := FromJSON(x[0], []byte(x[1]), []byte(x[2])); !errors.Is(err, ErrNotOurs) {
			t.Errorf("%s: got %x, %v, want ErrNotOurs", name, data, err)
		}
	}
	if _, err := FromJSON("StockSold", []byte(`{}`), nil); err != nil {
		t.Errorf("without metadata: %v", err)
	}
}

// Whatever a text holds, the JSON form keeps it, and other documents that say the same are read alike.
func TestAnyTextSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `"`, `\`, `\"`, ` : `, `{"$correlationId": 1}`, "a  b", "<&>", "\u2028", "$"}))
		m := meta
		m.CorrelationID, m.CausationID, m.Actor, m.Source.Document = text.Draw(t, "correlation"), text.Draw(t, "causation"), text.Draw(t, "actor"), text.Draw(t, "document")
		data, err := Encode(nil, &stock.StockAdjusted{Location: text.Draw(t, "location"), Delta: 3, Reason: text.Draw(t, "reason")}, &m)
		if err != nil {
			t.Fatal(err)
		}
		body, meta, err := JSON("StockAdjusted", data)
		if err != nil {
			t.Fatal(err)
		}
		var pretty [2]bytes.Buffer
		for i, document := range [][]byte{body, meta} {
			if err := json.Indent(&pretty[i], document, "", " "); err != nil {
				t.Fatalf("%v: %s", err, document)
			}
		}
		disguised := bytes.ReplaceAll(meta, []byte(`"$c`), []byte(`"\u0024c`))
		for _, x := range [][2][]byte{{body, meta}, {pretty[0].Bytes(), pretty[1].Bytes()}, {body, disguised}} {
			if back, err := FromJSON("StockAdjusted", x[0], x[1]); err != nil || !bytes.Equal(back, data) {
				t.Fatalf("%s %s became %x, %v; want %x", x[0], x[1], back, err, data)
			}
		}
	})
}
