package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/servicetest"
)

// said is a message about an order.
func said(id, order, kind string) ingest.Message {
	return ce(ingest.TypeOrder, id, fmt.Sprintf(`{"orderId":%q,%s}`, order, kind))
}

// market is a world with 20 units of milk and of tea, whose marketplace sells from berlin.
func market(t *testing.T) *servicetest.World {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Channel("market", "berlin")
	for _, sku := range []string{"milk", "tea"} {
		w.Move(&pb.Movement{Sku: sku, Quantity: 20, Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}})
	}
	return w
}

// takeIn has a log's messages taken in, all of them, and returns the service's counts.
func takeIn(t *testing.T, w *servicetest.World, log *memLog, total uint64) ingest.Stats {
	t.Helper()
	s := ingest.New(ingest.Config{Consumer: log, Recorder: w.Recorder, Orders: w.Orders, Desk: w.Desk, Offsets: w.Store, Log: quiet})
	stop := run(t, s)
	until(t, fmt.Sprintf("%d messages taken in", total), func() bool { return s.Stats().Messages >= total })
	stop()
	return s.Stats()
}

// balances are what lies at berlin and is promised there.
func balances(t *testing.T, w *servicetest.World, sku string) string {
	t.Helper()
	end, err := w.Store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.StockClient().GetStock(t.Context(), &pb.GetStockRequest{Sku: sku, Token: w.Tokens.Encode(end)})
	if err != nil {
		t.Fatal(err)
	}
	x := answer.Stock.Locations[0]
	return fmt.Sprintf("%d sellable, %d in inspection, %d reserved", x.Sellable, x.Inspection, x.Reserved)
}

// stories are the messages of 12 orders, each of 2 milk and 1 tea: one milk of each is sent, for a third the other is cut, a third sends
// the tea and has it back, a third is cancelled after its milk was sent.
func stories() (messages []ingest.Message) {
	for i := range 12 {
		o := fmt.Sprint("o", i)
		add := func(kind string) { messages = append(messages, said(fmt.Sprint(len(messages)), o, kind)) }
		add(`"placed":{"channel":"market","sold":true,"lines":[{"line":"1","sku":"milk","quantity":"2"},{"line":"2","sku":"tea","quantity":"1"}]}`)
		add(`"shipped":{"location":"berlin","lines":[{"line":"1","sku":"milk","quantity":"1"}]}`)
		switch i % 3 {
		case 0:
			add(`"cut":{"reason":"picked short","lines":[{"line":"1","sku":"milk","quantity":"1"}]}`)
		case 1:
			add(`"shipped":{"location":"berlin","lines":[{"line":"2","sku":"tea","quantity":"1"}]}`)
			add(`"returned":{"location":"berlin","lines":[{"line":"2","sku":"tea","quantity":"1"}]}`)
		case 2:
			add(`"cancelled":{"reason":"changed mind"}`)
		}
	}
	return messages
}

// storiesEnd is how they end, of milk and tea: 12 milk were sent; 4 are open where the tea was sent. 4 tea came back; 4 are open where
// milk was cut.
const storiesEnd = "8 sellable, 0 in inspection, 4 reserved; 16 sellable, 4 in inspection, 4 reserved"

// Messages of orders, out of order, twice and in several partitions, come to the same end.
func TestMessagesOfOrdersComeToTheSameEndInAnyOrder(t *testing.T) {
	messages := stories()
	for round := range 3 {
		w, log := market(t), newLog(ingest.TopicOrders, 3)
		twice := append(append([]ingest.Message(nil), messages...), messages...)
		if round > 0 {
			rand.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
		}
		for i, m := range twice {
			log.append(int32(i%3), m)
		}
		stats := takeIn(t, w, log, uint64(len(twice)))
		if stats.Facts+stats.Duplicates != uint64(len(twice)) || stats.Facts > uint64(len(messages)) || len(stats.Kept) > 0 {
			t.Errorf("%d messages, each twice, counted as %+v", len(messages), stats)
		}
		if got := balances(t, w, "milk") + "; " + balances(t, w, "tea"); got != storiesEnd {
			t.Errorf("round %d ends with %s", round, got)
		}
	}
}

func TestAMessageThatItsOrderDoesNotTakeIsKept(t *testing.T) {
	w, log := market(t), newLog(ingest.TopicOrders, 1)
	log.append(0,
		said("1", "a", `"placed":{"channel":"new","sold":true,"lines":[{"line":"1","sku":"milk","quantity":"2"}]}`),
		said("2", "b", `"placed":{"channel":"market","sold":true,"lines":[]}`),
		said("3", "b", `"misspelt":{}`),
		said("4", "c", `"shipped":{"location":"nowhere","lines":[{"line":"1","sku":"milk","quantity":"1"}]}`),
		said("5", "d", `"placed":{"channel":"market","sold":true,"lines":[{"line":"1","sku":"milk","quantity":"2"}]}`),
		said("6", "d", `"placed":{"channel":"market","sold":true,"lines":[{"line":"1","sku":"milk","quantity":"3"}]}`),
		received("7", "milk", 1)) // a movement, on the orders' topic
	stats := takeIn(t, w, log, 7)
	if fmt.Sprint(stats.Kept) != "map[IDEMPOTENCY_KEY_REUSED:1 INVALID:1 MALFORMED:1 UNKNOWN_CHANNEL:1 UNKNOWN_LOCATION:1]" || stats.Facts != 2 {
		t.Errorf("counted %+v", stats)
	}
	if got := balances(t, w, "milk"); got != "21 sellable, 0 in inspection, 2 reserved" {
		t.Error(got)
	}
	w.Channel("new", "berlin")
	letters, _, err := w.Desk.List(t.Context(), ingest.Query{State: ingest.Open, Reason: "UNKNOWN_CHANNEL", Limit: 10})
	if err != nil || len(letters) != 1 {
		t.Fatalf("%v, %v", letters, err)
	}
	for range 2 {
		letter, err := w.Desk.Replay(context.Background(), letters[0].ID, "test")
		if err != nil || letter.State != ingest.Replayed {
			t.Fatalf("%+v, %v", letter, err)
		}
	}
	if got := balances(t, w, "milk"); got != "21 sellable, 0 in inspection, 4 reserved" {
		t.Error(got)
	}
}
