package retention_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/aggregates/valuation"
	tree "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/projections/ledger"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/retention"
	"github.com/stockfold/stockfold/services/servicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const day = 24 * time.Hour

// secret begins every name and text that is to be gone.
const secret = "secret-"

// shop is a world with a clock, in which things happen at random.
type shop struct {
	*servicetest.World
	*testing.T
	*rand.Rand
	clock   *servicetest.Clock
	held    []string
	shipped []*pb.Movement
	count   int
}

func start(t *testing.T, seed uint64) *shop {
	clock := servicetest.NewClock()
	s := &shop{T: t, clock: clock, Rand: rand.New(rand.NewPCG(seed, 5)), World: servicetest.Start(t, servicetest.Options{Now: clock.Now})}
	for _, l := range []string{"berlin", "munich"} {
		s.Location(l)
	}
	s.Channel("web", "berlin", "munich")
	return s
}

func (s *shop) sku() string      { return fmt.Sprint("sku ", s.IntN(5)) }
func (s *shop) location() string { return []string{"berlin", "munich"}[s.IntN(2)] }
func (s *shop) name(kind string) string {
	s.count++
	return fmt.Sprint(secret, kind, "-", s.count)
}

// live lets so many things happen, some of them late.
func (s *shop) live(n int) {
	for range n {
		s.clock.Advance(time.Duration(s.IntN(int(8 * time.Hour))))
		s.happen()
	}
}

func (s *shop) happen() {
	switch s.IntN(11) {
	case 10:
		s.order()
	case 0, 1:
		s.reserve()
	case 2, 3:
		s.finish()
	default:
		s.move()
	}
}

func (s *shop) reserve() {
	id := s.name("cart")
	_, err := s.ReservationClient().Reserve(s.Context(), &pb.ReserveRequest{ReservationId: id, Sku: s.sku(), Channel: "web", Quantity: 1 + s.Int64N(3)})
	if err != nil || s.IntN(4) == 0 { // the hold just ends
		return
	}
	if _, err := s.ReservationClient().ConfirmReservation(s.Context(), &pb.ConfirmReservationRequest{ReservationId: id}); err != nil {
		s.Fatal(err)
	}
	s.held = append(s.held, id)
}

// order places an order of two SKUs, some of which are cancelled.
func (s *shop) order() {
	id := s.name("order")
	_, err := s.OrderClient().ReserveOrder(s.Context(), &pb.ReserveOrderRequest{OrderId: id, Channel: "web", Confirm: true, Partial: true, Actor: s.name("clerk"),
		Lines: []*pb.OrderedLine{{Line: "1", Sku: s.sku(), Quantity: 1}, {Line: "2", Sku: s.sku(), Quantity: 2}}})
	if err == nil && s.IntN(2) == 0 {
		_, _ = s.OrderClient().CancelOrder(s.Context(), &pb.CancelOrderRequest{OrderId: id, Reason: secret + "words"})
	}
}

// finish ends a confirmed reservation.
func (s *shop) finish() {
	if len(s.held) == 0 {
		return
	}
	i := s.IntN(len(s.held))
	id := s.held[i]
	s.held = append(s.held[:i], s.held[i+1:]...)
	var err error
	if s.IntN(3) == 0 {
		_, err = s.ReservationClient().ReleaseReservation(s.Context(), &pb.ReleaseReservationRequest{ReservationId: id, IdempotencyKey: s.name("key"), Reason: secret + "words"})
	} else {
		_, err = s.ReservationClient().FulfilReservation(s.Context(), &pb.FulfilReservationRequest{ReservationId: id, IdempotencyKey: s.name("key")})
	}
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shop) move() {
	m := &pb.Movement{MovementId: s.name("message"), Source: "wms", Sku: s.sku(), Location: s.location(), Document: s.name("receipt"), Actor: s.name("clerk"),
		CorrelationId: s.name("journey"), Quantity: s.Int64N(12), OccurredAt: codec.Timestamp(s.Now().Add(-time.Duration(s.Int64N(int64(3 * time.Hour)))))}
	switch s.IntN(9) {
	case 0:
		m.Kind = &pb.Movement_Counted_{Counted: &pb.Movement_Counted{}}
	case 1, 2, 3:
		m.Quantity++
		m.Kind = &pb.Movement_Received_{Received: &pb.Movement_Received{UnitCost: 1 + s.Int64N(300), Currency: "EUR"}}
	case 4, 5, 6:
		m.Kind = &pb.Movement_Sold_{Sold: &pb.Movement_Sold{}}
	case 7:
		m.Kind = &pb.Movement_Adjusted_{Adjusted: &pb.Movement_Adjusted{Reason: secret + "reason"}}
	case 8:
		s.transfer(m)
	}
	if _, err := s.StockClient().RecordMovements(s.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{m}}); err != nil {
		s.Fatal(err)
	}
}

// transfer ships, or receives what was shipped.
func (s *shop) transfer(m *pb.Movement) {
	if n := len(s.shipped); n > 0 && s.IntN(2) == 0 {
		was := s.shipped[n-1]
		s.shipped = s.shipped[:n-1]
		m.Sku, m.Location, m.Quantity = was.Sku, "munich", was.Quantity
		m.Kind = &pb.Movement_TransferReceived{TransferReceived: &pb.Movement_TransferIn{Origin: "berlin", TransferId: was.GetTransferShipped().TransferId}}
		return
	}
	m.Location, m.Quantity = "berlin", m.Quantity+1
	m.Kind = &pb.Movement_TransferShipped{TransferShipped: &pb.Movement_TransferOut{Destination: "munich", TransferId: s.name("transfer")}}
	s.shipped = append(s.shipped, m)
}

// condense condenses what is older than an age.
func (s *shop) condense(age time.Duration, check bool) *pb.CondenseSummary {
	s.Helper()
	stream, err := s.OperationsClient().Condense(s.Context(), &pb.CondenseRequest{Before: codec.Timestamp(s.Now().Add(-age)), Check: check})
	if err != nil {
		s.Fatal(err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			s.Fatal(err)
		}
		if sum := m.GetSummary(); sum != nil {
			return sum
		}
	}
}

// told is everything that is told of the past and the present, by read models made anew.
type told struct {
	Snapshots []*ledger.Snapshot
	Flows     []*ledger.Report
	Root      string
	Stock     []string
	Size      int64
}

func (s *shop) tell(since aggregates.Instant, events uint64) (x told) {
	s.Helper()
	db, err := views.Open("anew", views.Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(s.Context())
	past := ledger.New(ledger.Config{Store: s.Store, Model: db.Ledger(), Interval: 200})
	all := tree.New(tree.Config{Store: s.Store, Model: db.Audit()})
	done := make(chan error, 2)
	go func() { done <- past.Run(ctx) }()
	go func() { done <- all.Run(ctx) }()
	defer func() { cancel(); <-done; <-done }()
	if past.WaitForEnd(ctx) != nil || all.WaitForEnd(ctx) != nil {
		s.Fatal("not read to the end")
	}
	for at := since; at < s.Now(); at = at.Add(101 * time.Hour) {
		for _, axis := range []ledger.Axis{ledger.Recorded, ledger.Occurred} {
			for _, method := range []valuation.Method{valuation.Average, valuation.FIFO} {
				cut := ledger.Cut{Axis: axis, At: at, Position: events}
				snapshot, err := past.All(ctx, cut, method)
				if err != nil {
					s.Fatal(err)
				}
				flows, err := past.Between(ctx, since, cut, method)
				if err != nil {
					s.Fatal(err)
				}
				x.Snapshots, x.Flows = append(x.Snapshots, snapshot), append(x.Flows, flows)
			}
		}
	}
	root, err := all.Root(ctx, int64(events))
	if err != nil {
		s.Fatal(err)
	}
	x.Root, x.Size = root.String(), int64(events)
	for i := range 5 {
		stock, err := s.StockClient().GetStock(s.Context(), &pb.GetStockRequest{Sku: fmt.Sprint("sku ", i)})
		if err != nil {
			s.Fatal(err)
		}
		x.Stock = append(x.Stock, stock.Stock.String())
	}
	return x
}

// differences replays availability from scratch.
func (s *shop) differences() (n int64) {
	s.Helper()
	stream, err := s.OperationsClient().Replay(s.Context(), &pb.ReplayRequest{Projection: "availability", FromScratch: true, Check: true})
	if err != nil {
		s.Fatal(err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			s.Fatal(err)
		}
		if sum := m.GetSummary(); sum != nil {
			return sum.Differences
		}
	}
}

// verify verifies the whole store.
func (s *shop) verify() (*audit.Verifier, error) {
	v := audit.NewVerifier("")
	v.Gapless = true
	return v, audit.VerifyStore(s.Context(), s.Store, v, func(uint64, uint64) {})
}

// secrets counts the events that still tell what is to be gone, of those recorded before an instant.
func (s *shop) secrets(before aggregates.Instant) (telling, old int) {
	s.Helper()
	end, _ := s.Store.End(s.Context())
	sub, err := s.Store.Subscribe(s.Context(), 0, aggregates.SKUPrefix)
	if err != nil {
		s.Fatal(err)
	}
	defer sub.Close()
	for at := uint64(0); at < end; {
		b, err := sub.Next(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		for i := range b.Records {
			_, m, err := codec.Decode(b.Records[i])
			if err != nil {
				s.Fatal(err)
			}
			if m.RecordedAt >= before {
				continue
			}
			if old++; bytes.Contains(b.Records[i].Data, []byte(secret)) {
				telling++
			}
		}
		at = b.Through
	}
	return telling, old
}

// Whatever happened: condensed once, twice and later again, everything that is told of the past and the present is the same, made of the events anew; every
// proof holds; and what is not needed is gone.
func TestCondensedEventsComeToTheSame(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if seed%2 == 1 { // every step reads the stream
				defer retention.KeepEvents(20)()
			}
			s := start(t, seed)
			since := s.Now()
			s.live(400)
			for round, age := range []time.Duration{30 * day, 30 * day, 20 * day, day} {
				head, err := s.HistoryClient().RecordTreeHead(t.Context(), &pb.RecordTreeHeadRequest{})
				if err != nil {
					t.Fatal(err)
				}
				end, _ := s.Store.End(t.Context())
				was := s.tell(since, end-1)
				before := s.Now().Add(-age)
				_, old := s.secrets(before)
				planned := s.condense(age, true)
				done := s.condense(age, false)
				if planned.Condensed != done.Condensed || done.Skipped != 0 || done.Condensed+done.Before+done.Kept != int64(old) {
					t.Fatalf("round %d: planned %v, done %v, %d are old", round, planned, done, old)
				}
				if is := s.tell(since, end-1); !reflect.DeepEqual(was, is) {
					t.Fatalf("round %d: was %+v, is %+v", round, was, is)
				}
				if n := s.differences(); n != 0 {
					t.Errorf("round %d: %d documents are others", round, n)
				}
				telling, _ := s.secrets(before)
				if int64(telling) > done.Kept || round == 0 && (done.Condensed < 100 || done.Kept > done.Condensed) || done.BytesAfter > done.BytesBefore {
					t.Errorf("round %d: %d of %d still tell, %v", round, telling, old, done)
				}
				v := audit.NewVerifier(head.Head.VerifierKey)
				v.Gapless = true
				if err := v.Expect(head.Head.Note, "before"); err != nil {
					t.Fatal(err)
				}
				if err := audit.VerifyStore(t.Context(), s.Store, v, func(uint64, uint64) {}); err != nil || v.Condensed != done.Condensed+done.Before || v.Unattested {
					t.Fatalf("round %d: %v, %d condensed", round, err, v.Condensed)
				}
				s.live(60)
			}
			if again := s.condense(24*time.Hour, false); s.condense(24*time.Hour, false).Condensed != 0 {
				t.Errorf("condensed twice: %v", again)
			}
		})
	}
}

// What was condensed is still found, proved and shown, by what is left of it.
func TestACondensedEventIsProvedAndShown(t *testing.T) {
	s := start(t, 1)
	s.live(200)
	s.clock.Advance(40 * day)
	s.live(100)
	s.condense(48*time.Hour, false)
	if _, err := s.HistoryClient().RecordTreeHead(t.Context(), &pb.RecordTreeHeadRequest{}); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, e := range s.events("sku 1") {
		if !e.Condensed {
			continue
		}
		if shown++; strings.Contains(e.String(), secret) {
			t.Fatalf("it tells %v", e)
		}
		p, err := s.HistoryClient().ProveEvent(t.Context(), &pb.ProveEventRequest{EventId: e.EventId})
		if err != nil {
			t.Fatal(err)
		}
		head, err := audit.OpenHead(p.Head.Note, p.Head.VerifierKey)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := audit.CheckProof(head, p.Index, p.Path, p.Stored.Leaf); !errors.Is(err, audit.ErrCondensed) || r.Revision != e.Revision {
			t.Fatalf("the place of %v is not proved: %v", e, err)
		}
		p.Stored.Leaf[len(p.Stored.Leaf)-1]++ // what is left is not what the head proves, and its place is
		if _, err := audit.CheckProof(head, p.Index, p.Path, p.Stored.Leaf); !errors.Is(err, audit.ErrCondensed) {
			t.Fatal(err)
		}
	}
	if shown < 20 {
		t.Errorf("only %d events are condensed", shown)
	}
}

func (s *shop) events(sku string) []*pb.Event {
	answer, err := s.HistoryClient().ListEvents(s.Context(), &pb.ListEventsRequest{Sku: sku, PageSize: 1000})
	if err != nil {
		s.Fatal(err)
	}
	return answer.Events
}

// Every change of a condensed event is found, byte by byte, and so is one that was made up.
func TestAChangedCondensedEventIsFound(t *testing.T) {
	s := start(t, 2)
	s.live(120)
	s.clock.Advance(40 * day)
	s.live(20)
	s.condense(48*time.Hour, false)
	if v, err := s.verify(); err != nil || v.Condensed == 0 {
		t.Fatal(err)
	}
	r := s.condensed()
	was := r.Data
	for i := range was {
		for _, bit := range []byte{1, 0x80} {
			r.Data = bytes.Clone(was)
			r.Data[i] ^= bit
			if err := s.Store.Rewrite(t.Context(), []aggregates.Record{r}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.verify(); err == nil {
				t.Errorf("byte %d of %d, changed by %x, is not found", i, len(was), bit)
			}
		}
	}
	r.Data = was
	if err := s.Store.Rewrite(t.Context(), []aggregates.Record{r}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.verify(); err != nil {
		t.Fatal(err)
	}
}

// condensed is one of the condensed events.
func (s *shop) condensed() (found aggregates.Record) {
	for i := range 5 {
		_ = s.Store.ReadStream(s.Context(), fmt.Sprint("sku-sku ", i), 0, func(r aggregates.Record) bool {
			if _, _, ok := codec.CutCondensed(r.Data); ok && found.Data == nil {
				found = r
				found.Data = bytes.Clone(r.Data)
			}
			return found.Data == nil
		})
	}
	return found
}

// An event that somebody condensed by hand, with the right leaf, is found.
func TestAnEventCondensedByHandIsFound(t *testing.T) {
	s := start(t, 3)
	s.live(60)
	var r aggregates.Record
	_ = s.Store.ReadStream(t.Context(), "sku-sku 1", 1, func(x aggregates.Record) bool {
		r = x
		r.Data, _ = codec.Condense(nil, &x, "~1", func(string) string { return "~1" })
		return false
	})
	if err := s.Store.Rewrite(t.Context(), []aggregates.Record{r}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.verify(); err == nil || !strings.Contains(err.Error(), "nothing was recorded of that") {
		t.Errorf("got %v", err)
	}
}

// What cannot be proved is not condensed.
func TestAChangedEventIsNotCondensed(t *testing.T) {
	s := start(t, 4)
	s.live(60)
	s.clock.Advance(40 * day)
	var r aggregates.Record
	_ = s.Store.ReadStream(t.Context(), "sku-sku 1", 2, func(x aggregates.Record) bool {
		r = x
		r.Data = bytes.Clone(x.Data)
		r.Data[len(r.Data)-1] ^= 1
		return false
	})
	if err := s.Store.Rewrite(t.Context(), []aggregates.Record{r}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Retention.Condense(t.Context(), retention.Request{Before: s.Now().Add(-48 * time.Hour)})
	if err == nil {
		t.Fatal("it was condensed")
	}
}

// A run that is cut off anywhere leaves a history that is told the same and verified but for what is not attested; the next run finishes it.
func TestARunThatIsCutOffIsFinishedByTheNext(t *testing.T) {
	for limit := range 12 {
		s := start(t, 5)
		s.live(150)
		s.clock.Advance(40 * day)
		s.live(10)
		end, _ := s.Store.End(t.Context())
		since := s.Now().Add(-100 * day)
		was := s.tell(since, end-1)
		cut := &cutOff{Store: s.Store, left: limit}
		broken := retention.New(retention.Config{Store: cut, Stock: s.SKUs, Trail: s.TreeStream, Heads: noKey{}, Now: s.Now})
		_, err := broken.Condense(t.Context(), retention.Request{Before: s.Now().Add(-48 * time.Hour)})
		v, bad := s.verify()
		if bad != nil || v.Unattested != (err != nil && cut.begun) {
			t.Fatalf("cut off after %d: %v, %v, %+v", limit, err, bad, v.Unattested)
		}
		if is := s.tell(since, end-1); !reflect.DeepEqual(was, is) {
			t.Fatalf("cut off after %d: was %+v, is %+v", limit, was, is)
		}
		s.condense(48*time.Hour, false)
		if v, err := s.verify(); err != nil || v.Unattested || v.Condensed == 0 {
			t.Fatalf("finished: %v, %+v", err, v)
		}
	}
}

// What speaks of the same is rewritten at once, however little that is: who folds a SKU while a run is under way, or after one that was cut off, finds the end of
// every reservation of which he has seen the beginning.
func TestARunThatIsCutOffWithinASKU(t *testing.T) {
	for limit := range 6 {
		restore := retention.Rounds(600)
		s := start(t, 7)
		s.live(150)
		s.clock.Advance(40 * day)
		s.live(10)
		was := s.states()
		cut := &cutOff{Store: s.Store, left: limit}
		broken := retention.New(retention.Config{Store: cut, Stock: s.SKUs, Trail: s.TreeStream, Heads: noKey{}, Now: s.Now})
		if _, err := broken.Condense(t.Context(), retention.Request{Before: s.Now().Add(-48 * time.Hour)}); err == nil {
			t.Fatal("not cut off")
		}
		if is := s.states(); !reflect.DeepEqual(was, is) {
			t.Errorf("cut off after %d: SKUs come to something else", limit)
		}
		restore()
		s.condense(48*time.Hour, false)
		if is := s.states(); !reflect.DeepEqual(was, is) {
			t.Errorf("finished after %d: SKUs come to something else", limit)
		}
		if v, err := s.verify(); err != nil || v.Unattested {
			t.Errorf("finished after %d: %v", limit, err)
		}
	}
}

// states are the states of the SKUs, folded anew.
func (s *shop) states() (list [][]byte) {
	s.Helper()
	for i := range 5 {
		var state stock.State
		err := s.Store.ReadStream(s.Context(), fmt.Sprint("sku-sku ", i), 0, func(r aggregates.Record) bool {
			fact, meta, err := codec.Decode(r)
			if err != nil {
				s.Fatal(err)
			}
			state.Evolve(fact, meta)
			return true
		})
		if err != nil {
			s.Fatal(err)
		}
		b, err := state.MarshalBinary()
		if err != nil {
			s.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// Commands that begin with a snapshot from before a reservation ended, and read the end of it condensed, decide on what they always did.
func TestASnapshotFromBeforeComesToTheSame(t *testing.T) {
	s := start(t, 8)
	s.live(450)
	s.clock.Advance(40 * day)
	s.live(10)
	was := s.loaded()
	if done := s.condense(48*time.Hour, false); done.Condensed == 0 {
		t.Fatal("nothing is condensed")
	}
	for i, is := range s.loaded() {
		if !bytes.Equal(was[i], is) {
			t.Errorf("SKU %d comes to something else", i)
		}
	}
}

// What a newer version said in words that this one does not know stays as it is: nobody knows whether they are names.
func TestWhatIsNotUnderstoodIsNotCondensed(t *testing.T) {
	s := start(t, 10)
	var stored []aggregates.NewEvent
	var seal codec.Seal
	for i := range 4 {
		s.clock.Advance(3 * day)
		fact := &stock.StockReceived{Location: "berlin", Quantity: int64(i) + 1}
		m := aggregates.Metadata{IdempotencyKey: fmt.Sprint("key ", i), RecordedAt: s.Now(), OccurredAt: s.Now()}
		data, err := codec.Encode(nil, fact, &m)
		if err != nil {
			t.Fatal(err)
		}
		e := aggregates.NewEvent{ID: aggregates.NewEventID("sku-later", m.IdempotencyKey, 0, data), Type: fact.EventType(), Data: data}
		if i == 1 {
			e.Data = append(e.Data, protowire.AppendString(protowire.AppendTag(nil, 15_000, protowire.BytesType), secret+"words")...)
		}
		e.Data = append(codec.AppendSealRoom(nil), e.Data...)
		seal = codec.PutSeal(seal, "sku-later", uint64(i), &e)
		stored = append(stored, e)
	}
	if _, err := s.Store.Append(t.Context(), "sku-later", 0, stored); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(40 * day)
	if done := s.condense(48*time.Hour, false); done.Condensed != 2 || done.Kept != 2 {
		t.Errorf("got %v", done)
	}
	if _, err := s.verify(); err != nil {
		t.Error(err)
	}
}

// Nothing is condensed that a read model has still to read, nor while one is built anew: it would know the beginning of a reservation by one name, and the end by another.
func TestNothingIsCondensedThatIsStillToBeRead(t *testing.T) {
	s := start(t, 9)
	s.live(60)
	s.clock.Advance(40 * day)
	s.live(10)
	behind := retention.New(retention.Config{Store: s.Store, Stock: s.SKUs, Trail: s.TreeStream, Heads: noKey{}, Now: s.Now, Readers: []retention.Reader{reader(3)}})
	ask := retention.Request{Before: s.Now().Add(-48 * time.Hour)}
	if _, err := behind.Condense(t.Context(), ask); !errors.Is(err, retention.ErrUnread) {
		t.Errorf("got %v", err)
	}
	if s.condensed().Data != nil {
		t.Error("something is condensed")
	}
	release, err := s.Retention.Hold()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Retention.Condense(t.Context(), ask); !errors.Is(err, refusals.ErrReplayRunning) {
		t.Errorf("got %v", err)
	}
	release()
	if s.condense(48*time.Hour, false); s.condensed().Data == nil {
		t.Error("nothing is condensed")
	}
}

// reader has come so far, and never gets on.
type reader uint64

func (r reader) Position() uint64 { return uint64(r) }

func (r reader) WaitFor(context.Context, uint64) error { return errors.New("it has stopped") }

// The index of reservations knows those that ended for a month, so that their ids are not used again; made anew of condensed events it knows the same ones.
func TestTheIndexMadeAnewKnowsTheSameReservations(t *testing.T) {
	s := start(t, 11)
	s.live(250)
	s.clock.Advance(3 * day)
	s.live(10)
	was := s.indexed()
	if done := s.condense(day, false); done.Condensed == 0 || len(was) < 10 {
		t.Fatalf("%d reservations, %v", len(was), done)
	}
	if is := s.indexed(); !reflect.DeepEqual(was, is) {
		t.Errorf("was %v, is %v", was, is)
	}
}

// indexed are the reservations of an index made anew that are live or ended within a month.
func (s *shop) indexed() (list []string) {
	s.Helper()
	db, err := views.Open("anew", views.Options{FS: vfs.NewMem(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(s.Context())
	index := reservations.New(reservations.Config{Store: s.Store, Model: db.Reservations()})
	done := make(chan error, 1)
	go func() { done <- index.Run(ctx) }()
	defer func() { cancel(); <-done }()
	end, err := s.Store.End(ctx)
	if err != nil {
		s.Fatal(err)
	}
	if err := index.WaitFor(ctx, end); err != nil {
		s.Fatal(err)
	}
	for i := range 5 {
		page, _, err := index.List(ctx, fmt.Sprint("sku ", i), false, 0, 1000)
		if err != nil {
			s.Fatal(err)
		}
		for _, r := range page {
			if r.Live() || r.EndedAt > s.Now().Add(-30*day) {
				list = append(list, fmt.Sprintf("%s: %+v", r.SKU, r.Reservation))
			}
		}
	}
	return list
}

// loaded are the states that commands of a process begun anew decide on.
func (s *shop) loaded() (list [][]byte) {
	s.Helper()
	streams := commands.NewStreams(unsaved{s.Store}, commands.SKUs(), commands.Options{Now: s.clock.Now, Exclusive: true})
	defer func() {
		if err := streams.Close(s.Context()); err != nil {
			s.Error(err)
		}
	}()
	for i := range 5 {
		var seen saw
		if _, err := streams.Do(s.Context(), fmt.Sprint("sku ", i), aggregates.Metadata{IdempotencyKey: "read"}, &seen); err != nil {
			s.Fatal(err)
		}
		list = append(list, seen)
	}
	return list
}

// unsaved keeps the snapshots that there are.
type unsaved struct{ commands.Store }

func (unsaved) SaveSnapshot(context.Context, string, string, commands.Snapshot) error { return nil }

// saw is a state that somebody looked at.
type saw []byte

func (x *saw) Decide(state *stock.State, _ aggregates.Metadata, _ aggregates.Instant) (events []aggregates.Event, err error) {
	*x, err = state.MarshalBinary()
	return nil, err
}

type noKey struct{}

func (noKey) Record(context.Context) (audit.Head, error) { return audit.Head{}, audit.ErrNoKey }

// cutOff fails after so many rewrites.
type cutOff struct {
	retention.Store
	left  int
	begun bool
}

func (c *cutOff) Rewrite(ctx context.Context, records []aggregates.Record) error {
	c.begun = true
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return c.Store.Rewrite(ctx, records)
}

func TestWhatIsTooYoungIsNotCondensed(t *testing.T) {
	s := start(t, 6)
	for _, before := range []aggregates.Instant{0, s.Now(), s.Now().Add(-time.Hour)} {
		stream, err := s.OperationsClient().Condense(t.Context(), &pb.CondenseRequest{Before: codec.Timestamp(before)})
		if err == nil {
			_, err = stream.Recv()
		}
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
	}
}
