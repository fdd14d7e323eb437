package ingest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/stock"
)

const topic = ingest.TopicMovements

// noHeaders is a structured mode event.
func noHeaders(text string) ingest.Message {
	return ingest.Message{Key: []byte("k"), Value: []byte(text)}
}

func without(m ingest.Message, header string) ingest.Message {
	var kept []ingest.Header
	for _, h := range m.Headers {
		if h.Key != header {
			kept = append(kept, h)
		}
	}
	m.Headers = kept
	return m
}

func with(m ingest.Message, header, value string) ingest.Message {
	m = without(m, header)
	m.Headers = append(m.Headers, ingest.Header{Key: header, Value: []byte(value)})
	return m
}

// data replaces what a movement says.
func data(text string) ingest.Message { return ce(ingest.TypeMovement, "m1", text) }

func TestWhatCannotBeAppliedBecomesADeadLetterAndThePartitionGoesOn(t *testing.T) {
	good := received("m1", "a", 1)
	cases := map[string]struct {
		message ingest.Message
		reason  string
		says    string
	}{
		"no value":               {ingest.Message{}, ingest.ReasonMalformed, "no value"},
		"not JSON":               {noHeaders("hello"), ingest.ReasonMalformed, "not a JSON object"},
		"not UTF-8":              {noHeaders("{\"id\":\"\xff\"}"), ingest.ReasonMalformed, "UTF-8"},
		"not a CloudEvent":       {noHeaders(`{"sku":"a"}`), ingest.ReasonMalformed, "specversion is missing"},
		"cut off":                {noHeaders(`{"specversion":"1.0","id":"1"`), ingest.ReasonMalformed, "not JSON"},
		"attribute twice":        {noHeaders(`{"specversion":"1.0","id":"1","id":"2"}`), ingest.ReasonMalformed, `"id" is given twice`},
		"two events":             {noHeaders(`{"specversion":"1.0"} {}`), ingest.ReasonMalformed, "followed by something else"},
		"id is a number":         {noHeaders(`{"specversion":"1.0","id":1}`), ingest.ReasonMalformed, `"id" must be a string`},
		"both data":              {noHeaders(`{"specversion":"1.0","data":{},"data_base64":"e30="}`), ingest.ReasonMalformed, "both data"},
		"bad base64":             {noHeaders(`{"specversion":"1.0","data_base64":"%"}`), ingest.ReasonMalformed, "base64"},
		"batch mode":             {with(noHeaders("[]"), "content-type", "application/cloudevents-batch+json"), ingest.ReasonMalformed, "not supported"},
		"other version":          {with(good, "ce_specversion", "0.3"), ingest.ReasonMalformed, `"0.3" is not supported`},
		"no id":                  {without(good, "ce_id"), ingest.ReasonMalformed, "id is missing"},
		"no source":              {without(good, "ce_source"), ingest.ReasonMalformed, "source is missing"},
		"no type":                {without(good, "ce_type"), ingest.ReasonMalformed, "type is missing"},
		"not JSON data":          {with(good, "content-type", "application/avro"), ingest.ReasonMalformed, "application/avro"},
		"bad time":               {with(good, "ce_time", "yesterday"), ingest.ReasonMalformed, "yesterday"},
		"misspelt field":         {data(`{"skuu":"a"}`), ingest.ReasonMalformed, `unknown field "skuu"`},
		"fraction":               {data(`{"sku":"a","location":"berlin","quantity":1.5,"received":{}}`), ingest.ReasonMalformed, "quantity"},
		"unknown type":           {with(good, "ce_type", "com.example.order"), ingest.ReasonUnknownType, "com.example.order"},
		"no time":                {without(good, "ce_time"), stock.ReasonInvalid, "occurred_at must be given"},
		"no SKU":                 {data(`{"location":"berlin","received":{}}`), stock.ReasonInvalid, "sku must be 1-100 bytes"},
		"long id":                {with(good, "ce_id", strings.Repeat("x", 101)), stock.ReasonInvalid, "id must be at most 100 bytes, has 101"},
		"unprintable source":     {with(good, "ce_source", "a\x00"), stock.ReasonInvalid, "source must be printable"},
		"long sequence":          {with(good, "ce_sequence", strings.Repeat("1", 101)), stock.ReasonInvalid, "sequence must be at most 100"},
		"no kind":                {data(`{"sku":"a","location":"berlin","quantity":1}`), stock.ReasonInvalid, "kind must be given"},
		"negative":               {movement("m1", "a", "berlin", -1, "received"), stock.ReasonInvalid, "quantity must be 0 to"},
		"too much":               {data(`{"sku":"a","location":"berlin","quantity":"1000000000000001","received":{}}`), stock.ReasonInvalid, "quantity must be"},
		"quantity twice":         {data(`{"sku":"a","location":"berlin","quantity":1,"decimal":"1","received":{}}`), stock.ReasonInvalid, "decimal must be empty"},
		"words for a number":     {data(`{"sku":"a","location":"berlin","decimal":"1,5","received":{}}`), stock.ReasonInvalid, `is "1,5"`},
		"contradicts its id":     {data(`{"movementId":"m2","sku":"a","location":"berlin","received":{}}`), stock.ReasonInvalid, `event's id, "m1"`},
		"contradicts its source": {data(`{"source":"x","sku":"a","location":"berlin","received":{}}`), stock.ReasonInvalid, `event's source, "pos-1"`},
		"contradicts its time":   {data(`{"occurredAt":"2026-03-04T11:00:01Z","sku":"a","location":"berlin","received":{}}`), stock.ReasonInvalid, "event's time, 2026-03-04T11:00:00Z"},
		"from the future":        {with(good, "ce_time", "2026-03-04T12:06:00Z"), stock.ReasonClockSkew, "5m0s ahead"},
		"sale from the future":   {with(sale("m1", `a "quantity":1`), "ce_time", "2026-03-04T12:06:00Z"), stock.ReasonClockSkew, "time is"},
		"unknown location":       {movement("m1", "a", "atlantis", 1, "received"), stock.ReasonUnknownLocation, `location "atlantis" is not defined`},
		"too many decimals":      {data(`{"sku":"a","location":"berlin","decimal":"1.5","received":{}}`), stock.ReasonTooManyDecimals, `"1.5" has more than the 0 decimals`},
		"sale without lines":     {sale("m1"), stock.ReasonInvalid, "lines must have 1 to 1000 elements, has 0"},
		"bad line of a sale":     {sale("m1", `a "quantity":1`, `b "quantity":-1`), stock.ReasonInvalid, "lines[1].quantity must be 0 to"},
		"sale without document":  {ce(ingest.TypeSale, "m1", `{"location":"berlin","lines":[{"sku":"a"}]}`), stock.ReasonInvalid, "document must be"},
		"sale with decimals":     {sale("m1", `a "quantity":1`, `b "decimal":"0.5"`), stock.ReasonTooManyDecimals, `line 2, SKU "b"`},
	}
	w := newWorld(t)
	log := newLog(topic, 1)
	names := make([]string, 0, len(cases))
	for name, c := range cases {
		names = append(names, name)
		c.message.Key = []byte(name)
		log.append(0, c.message)
	}
	log.append(0, received("last", "last", 7))
	run(t, w.service(log))
	w.ledger.await(t, topic, 0, int64(len(cases)+1))

	letters := map[int64]ingest.DeadLetter{}
	for _, l := range w.letters(t) {
		letters[l.Offset] = l
	}
	for offset, name := range names {
		want, got := cases[name], letters[int64(offset)]
		if got.Reason != want.reason || !strings.Contains(got.Message, want.says) {
			t.Errorf("%s: got %s: %s\nwant %s with %q", name, got.Reason, got.Message, want.reason, want.says)
		}
		if string(got.Value) != string(want.message.Value) || string(got.Key) != name || len(got.Headers) != len(want.message.Headers) {
			t.Errorf("%s: not kept as it came in: %+v", name, got)
		}
		if got.Topic != topic || got.Partition != 0 || got.State != ingest.Open || got.Attempts != 1 || got.ReceivedAt != w.clock.now() {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if units, _ := w.sellable(t, "last", "berlin"); units != 7 {
		t.Errorf("the message after them moved %d units, want 7", units)
	}
	if _, n := w.sellable(t, "a", "berlin"); n != 0 {
		t.Errorf("%d movements of what could not be applied are on record", n)
	}
}

func TestEveryFormOfAnEventIsRead(t *testing.T) {
	movementData := `{"sku":"s","location":"berlin","quantity":1,"received":{}}`
	envelope := func(id, rest string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"wms","type":"stockfold.movement.v1","time":"2026-03-04T11:00:00Z",%s}`, id, rest)
	}
	messages := []ingest.Message{
		with(noHeaders(envelope("1", `"data":`+movementData)), "content-type", "application/cloudevents+json; charset=UTF-8"),
		noHeaders(envelope("2", `"data":`+movementData+`,"datacontenttype":"application/json","other":[{"a":null}],"subject":"x"`)),
		noHeaders(envelope("3", `"data_base64":"eyJza3UiOiJzIiwibG9jYXRpb24iOiJiZXJsaW4iLCJxdWFudGl0eSI6MSwicmVjZWl2ZWQiOnt9fQ=="`)),
		noHeaders(strings.ReplaceAll(envelope("4", `"data":`+movementData), "wms", `w\u006ds`)),
		noHeaders(envelope("5", `"sequence":17,"correlationid":"c-1","data":`+movementData)),
		noHeaders(strings.Replace(envelope("6", `"data":{"occurredAt":"2026-03-04T11:00:00Z",`+movementData[1:]), `"time":"2026-03-04T11:00:00Z",`, `"time":null,`, 1)),
		with(with(received("7", "s", 1), "ce_sequence", "18"), "ce_correlationid", "c-2"),
		with(received("8", "s", 1), "content-type", "application/vnd.wms+json"),
		without(received("9", "s", 1), "content-type"),
		sale("10", `s "quantity":"2"`, `s "returned":true,"quantity":1`),
	}
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, messages...)
	run(t, w.service(log))
	w.ledger.await(t, topic, 0, int64(len(messages)))
	for _, l := range w.letters(t) {
		t.Errorf("offset %d: %s: %s", l.Offset, l.Reason, l.Message)
	}
	if units, n := w.sellable(t, "s", "berlin"); units != 9-2+1 || n != 11 {
		t.Errorf("%d units by %d movements, want 8 by 11", units, n)
	}
	sources := w.sources(t, "s")
	if s := sources[4]; s.Source.Sequence != "17" || s.CorrelationID != "c-1" || s.Source.System != "wms" || s.Source.MessageID != "5" {
		t.Errorf("metadata of the fifth: %+v", s)
	}
	if s := sources[6]; s.Source.Sequence != "18" || s.CorrelationID != "c-2" || s.OccurredAt != aggregates.At(today.Add(-time.Hour)) {
		t.Errorf("metadata of the seventh: %+v", s)
	}
	if s := sources[10].Source; s.Document != "10" || s.Line != "2" || s.Topic != topic || s.Offset != 9 {
		t.Errorf("source of the sale's second line: %+v", s)
	}
}

func TestMessagesThatComeAgainCountOnce(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 3)
	for i := range 40 {
		m := received(fmt.Sprint("m", i), fmt.Sprint("sku", i%4), i)
		log.append(0, m, m)
		log.append(int32(1+i%2), m)
	}
	log.append(0, sale("s1", `sku0 "quantity":5`, `sku0 "quantity":2`, `sku1 "quantity":1`))
	log.append(1, sale("s1", `sku0 "quantity":5`, `sku0 "quantity":2`, `sku1 "quantity":1`))
	s := w.service(log)
	run(t, s)
	w.ledger.await(t, topic, 0, 81)
	w.ledger.await(t, topic, 1, 21)
	w.ledger.await(t, topic, 2, 20)
	for sku := range 4 {
		want := 0
		for i := sku; i < 40; i += 4 {
			want += i
		}
		want -= []int{7, 1, 0, 0}[sku]
		if units, _ := w.sellable(t, fmt.Sprint("sku", sku), "berlin"); units != int64(want) {
			t.Errorf("sku%d: %d units, want %d", sku, units, want)
		}
	}
	if x := s.Stats(); x.Messages != 122 || x.Facts != 43 || x.Duplicates != 83 {
		t.Errorf("stats %+v", x)
	}
	if n := len(w.letters(t)); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestAnIdThatIsUsedAgainIsADeadLetter(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, received("m1", "a", 1), received("m1", "a", 2),
		sale("s1", `a "quantity":1`, `b "quantity":1`), sale("s1", `a "quantity":1`, `b "quantity":2`))
	run(t, w.service(log))
	w.ledger.await(t, topic, 0, 4)
	letters := w.letters(t)
	if len(letters) != 2 || letters[0].Offset != 1 || letters[1].Offset != 3 || letters[0].Reason != stock.ReasonKeyReused ||
		letters[1].Reason != stock.ReasonKeyReused || len(letters[1].Applied) != 0 {
		t.Errorf("letters %+v", letters)
	}
	if units, n := w.sellable(t, "a", "berlin"); units != 0 || n != 2 {
		t.Errorf("%d units by %d movements, want 0 by 2", units, n)
	}
}

func TestAnOutageOfTheStoreSkipsNothing(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 2)
	s := w.service(log)
	run(t, s)
	total := map[string]int64{}
	send := func(from, n int) {
		for i := from; i < from+n; i++ {
			sku := fmt.Sprint("sku", i%5)
			log.append(int32(i%2), received(fmt.Sprint("m", i), sku, i))
			total[sku] += int64(i)
		}
	}
	send(0, 100)
	w.ledger.await(t, topic, 0, 50)
	w.ledger.await(t, topic, 1, 50)

	w.outage.down.Store(true)
	send(100, 500)
	w.awaitRefusals(t, 12)
	w.awaitStatus(t, s, "pulled the plug") // of both partitions
	for _, p := range s.Status() {
		if p.Next != 50 {
			t.Errorf("status during the outage: %+v", p)
		}
	}
	w.outage.down.Store(false)
	w.ledger.await(t, topic, 0, 300)
	w.ledger.await(t, topic, 1, 300)
	for sku, want := range total {
		if units, _ := w.sellable(t, sku, "berlin"); units != want {
			t.Errorf("%s: %d units, want %d", sku, units, want)
		}
	}
	w.awaitStatus(t, s, "")
	if n := len(w.letters(t)); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestADefectDoesNotHoldUpThePartition(t *testing.T) {
	w := newWorld(t)
	stream := aggregates.SKUPrefix + "bad"
	w.outage.defect.Store(&stream)
	log := newLog(topic, 1)
	log.append(0, received("m1", "good", 1), received("m2", "bad", 2), received("m3", "good", 4))
	s := w.service(log)
	run(t, s)
	w.ledger.await(t, topic, 0, 3)
	letters := w.letters(t)
	if len(letters) != 1 || letters[0].Reason != ingest.ReasonInternal || letters[0].Offset != 1 {
		t.Fatalf("letters %+v", letters)
	}
	if n := s.Stats().Retries; n != 5 {
		t.Errorf("given up after %d tries, want 5", n)
	}
	if units, _ := w.sellable(t, "good", "berlin"); units != 5 {
		t.Errorf("%d units of the good SKU, want 5", units)
	}
	w.outage.defect.Store(nil) // mended
	if l, err := w.desk.Replay(t.Context(), letters[0].ID, "ann"); err != nil || l.State != ingest.Replayed {
		t.Errorf("replay: %+v, %v", l, err)
	}
	if units, _ := w.sellable(t, "bad", "berlin"); units != 2 {
		t.Errorf("%d units of the mended SKU, want 2", units)
	}
}

func TestProgressWaitsForTheOldestWhileOthersGoOn(t *testing.T) {
	w := newWorld(t)
	h := w.outage.hold("slow")
	log := newLog(topic, 1)
	log.append(0, received("m0", "quick", 1), received("m1", "slow", 1), received("m2", "quick", 2), received("m3", "other", 4))
	run(t, w.service(log))
	<-h.waits
	w.ledger.await(t, topic, 0, 1)
	w.awaitUnits(t, "quick", 3)
	w.awaitUnits(t, "other", 4)
	w.ledger.each(func(p ingest.Progress) {
		if p.Next > 1 {
			t.Errorf("progress %d was saved, though the message at offset 1 is not durable", p.Next)
		}
	})
	w.outage.letGo(h)
	w.ledger.await(t, topic, 0, 4)
	w.awaitUnits(t, "slow", 1)
}

func TestOneSKUsMessagesAreRecordedInTheirOrder(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	const n = 300
	for i := range n {
		log.append(0, received(fmt.Sprint("m", i), fmt.Sprint("sku", i%3), 1))
	}
	run(t, w.service(log))
	w.ledger.await(t, topic, 0, n)
	for sku := range 3 {
		last := int64(-1)
		for _, m := range w.sources(t, fmt.Sprint("sku", sku)) {
			if m.Source.Offset <= last {
				t.Fatalf("offset %d was recorded after %d", m.Source.Offset, last)
			}
			last = m.Source.Offset
		}
	}
}

func TestStoppingFinishesWhatWasBegun(t *testing.T) {
	w := newWorld(t)
	h := w.outage.hold("")
	log := newLog(topic, 1)
	log.append(0, received("m0", "a", 1), received("m1", "b", 2))
	stop := run(t, w.service(log))
	<-h.waits
	<-h.waits
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	w.outage.letGo(h)
	<-stopped
	p, ok, err := w.store.LoadOffset(t.Context(), topic, 0)
	if err != nil || !ok || p.Next != 2 {
		t.Errorf("progress after the stop: %+v, %v, %v; want 2", p, ok, err)
	}
	if log.commits[0] != 2 {
		t.Errorf("committed %d to the log, want 2", log.commits[0])
	}
}

func TestReadingGoesOnWhereItWasLeft(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	log.append(0, received("m0", "a", 1), received("m1", "a", 2))
	stop := run(t, w.service(log))
	w.ledger.await(t, topic, 0, 2)
	stop()
	w.close(t)

	w.open(t)
	log.append(0, received("m2", "a", 4))
	before := log.handedOut()
	run(t, w.service(log))
	w.ledger.await(t, topic, 0, 3)
	if n := log.handedOut() - before; n != 1 {
		t.Errorf("%d messages were read after the restart, want 1", n)
	}
	w.awaitUnits(t, "a", 7)
}

func TestTroubleWithTheLogPausesThePartition(t *testing.T) {
	w := newWorld(t)
	log := newLog(topic, 1)
	s := w.service(log)
	run(t, s)
	log.append(0, received("m0", "a", 1))
	w.ledger.await(t, topic, 0, 1)
	log.fail(errors.New("broker on fire"))
	log.append(0, received("m1", "a", 2))
	w.awaitStatus(t, s, "broker on fire")
	log.fail(nil)
	w.ledger.await(t, topic, 0, 2)
	w.awaitUnits(t, "a", 3)
	w.awaitStatus(t, s, "")
}
