package reservation

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/provenance"
	"github.com/stockfold/stockfold/services/validation"
)

// changing is an intention about a reservation that is there.
type changing interface {
	commands.Intention[stock.State]
	reservation() *stock.Reservation // valid once decided
}

// decided is the result of a changing intention.
type decided struct{ result stock.Reservation }

func (d *decided) reservation() *stock.Reservation { return &d.result }

// change carries out an intention on the stream that has the reservation, and returns it with a token. It returns
// *refusals.UnknownReservation, *stock.NotLiveError, what the decision returns, and the errors of the index and the store.
func (s *Service) change(ctx context.Context, id string, m aggregates.Metadata, in changing) (*pb.Reservation, string, error) {
	found, outcome, err := s.decide(ctx, id, m, in)
	if found.ofKits(err) {
		return s.changeKits(ctx, id, m, in)
	}
	if errors.Is(err, stock.ErrUnknownReservation) {
		err = found.gone(id)
	}
	if reused := (*stock.KeyReusedError)(nil); errors.As(err, &reused) {
		err = &stock.KeyReusedError{Key: callersKey(id, reused.Key)}
	}
	if err != nil {
		return nil, "", err
	}
	return message(found.sku, in.reservation()), s.Tokens.Encode(outcome.Position), nil
}

// decide has an intention decided on the stream that has the reservation. When that is stock.ErrUnknownReservation, the
// place has the index's record.
func (s *Service) decide(ctx context.Context, id string, m aggregates.Metadata, in changing) (place, commands.Outcome, error) {
	found, err := s.locate(ctx, id)
	if err != nil {
		return found, commands.Outcome{}, err
	}
	outcome, err := s.SKUs.Do(ctx, found.sku, m, in)
	if !errors.Is(err, stock.ErrUnknownReservation) || found.record != nil {
		return found, outcome, err
	}
	// It was found by a claim, and the call that made the claim may be one that has the wrong SKU.
	claimed := found.sku
	if found, err = s.lookUp(ctx, id); err != nil {
		return found, commands.Outcome{}, err
	}
	if found.sku == claimed {
		return found, outcome, stock.ErrUnknownReservation
	}
	outcome, err = s.SKUs.Do(ctx, found.sku, m, in)
	return found, outcome, err
}

// metadata of a change of a reservation. key must be unique per operation and call.
func metadata(ctx context.Context, id, actor, key string, contents ...string) aggregates.Metadata {
	m := provenance.Metadata(ctx, actor, id)
	m.IdempotencyKey = key
	m.Fingerprint = aggregates.Fingerprint(append(contents, id)...)
	return m
}

// callKey is the key of a call under a caller's own key. Keys of different operations and reservations never meet,
// whatever is in them.
func callKey(operation, id, key string) string {
	return operation + ":" + strconv.Itoa(len(id)) + ":" + id + ":" + key
}

// callersKey is the caller's own part of a key that callKey made.
func callersKey(id, key string) string {
	if _, own, ok := strings.Cut(key, callKey("", id, "")); ok {
		return own
	}
	return key
}

// onceKey is the key of a call that stands for itself.
func onceKey(operation, id string) string {
	return operation + "-once:" + id + ":" + rand.Text()
}

// restKey is the key of what can happen to a reservation only once: that all the rest of it goes.
func restKey(operation, id string) string { return operation + "-rest:" + id }

// checkChange checks what every change has.
func checkChange(id, actor string) validation.Checker {
	var c validation.Checker
	c.ID("reservation_id", id)
	c.Text("actor", actor, validation.MaxID)
	return c
}

// checkPart checks how much of a reservation is meant, and that a part has a key: without one a retry could not be told
// from a second part.
func checkPart(c *validation.Checker, quantity int64, key string) {
	c.Range("quantity", quantity, 0, validation.MaxQuantity)
	c.Text("idempotency_key", key, validation.MaxID)
	if quantity != 0 && key == "" {
		c.Fail("idempotency_key", "must be 1-%d bytes when quantity is given, is empty", validation.MaxID)
	}
}
