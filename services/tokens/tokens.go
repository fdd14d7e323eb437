// Package tokens makes and reads the opaque texts that callers hand back: of a position in the store, so that a read
// sees a write, and of a place in a list, so that the next page follows.
//
// It guarantees that a text of another store, of another list or of a newer version is refused with what is wrong,
// never taken for something else. What a text holds is nobody's business outside; its length is bounded.
package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/stockfold/stockfold/services/validation"
)

// MaxLength is the most bytes that a token or page token has.
const MaxLength = 400

// positionVersion is the first byte of a position's token.
const positionVersion = 1

// tagSize is how many bytes of the store's fingerprint a token carries.
const tagSize = 4

// Codec makes and reads the tokens of one store.
type Codec struct{ tag [tagSize]byte }

// New returns the codec for a store with this identity.
func New(storeID string) *Codec {
	sum := sha256.Sum256([]byte(storeID))
	return &Codec{tag: [tagSize]byte(sum[:tagSize])}
}

// ForeignError says that a token was made by another store: a position of it means nothing here.
type ForeignError struct{ Field string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s was made by another store; use a token that this service returned", e.Field)
}

// Encode returns the token of a position.
func (c *Codec) Encode(position uint64) string {
	var room [1 + tagSize + binary.MaxVarintLen64]byte
	b := append(room[:0], positionVersion)
	b = append(b, c.tag[:]...)
	b = binary.AppendUvarint(b, position)
	return base64.RawURLEncoding.EncodeToString(b)
}

// Decode returns the position of a token; field is its name in the request. An empty token is position 0, which every
// view includes. It returns *validation.Error or *ForeignError.
func (c *Codec) Decode(field, token string) (uint64, error) {
	if token == "" {
		return 0, nil
	}
	b, err := decode(field, token)
	if err != nil {
		return 0, err
	}
	if b[0] != positionVersion || len(b) < 2+tagSize {
		return 0, invalid(field, "is not a token of this version of the service; use one that it returned")
	}
	if [tagSize]byte(b[1:1+tagSize]) != c.tag {
		return 0, &ForeignError{Field: field}
	}
	position, n := binary.Uvarint(b[1+tagSize:])
	if n <= 0 || 1+tagSize+n != len(b) {
		return 0, invalid(field, "is damaged; use it exactly as it was returned")
	}
	return position, nil
}

func decode(field, token string) ([]byte, error) {
	if len(token) > MaxLength {
		return nil, invalid(field, "must be at most %d bytes, has %d", MaxLength, len(token))
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) == 0 {
		return nil, invalid(field, "is not a token that this service returned")
	}
	return b, nil
}

func invalid(field, rule string, args ...any) error {
	var c validation.Checker
	c.Fail(field, rule, args...)
	return c.Err()
}

// View is something that follows the store and can be waited for.
type View interface {
	// Position is the store position up to which everything is visible.
	Position() uint64
	// WaitFor waits until everything up to a position is visible, or ctx ends.
	WaitFor(ctx context.Context, position uint64) error
}

const (
	// DefaultWait is how long a read with a token waits when its caller set no deadline.
	DefaultWait = 5 * time.Second
	// answerEarly is the most of a caller's deadline that is left for the answer to travel.
	answerEarly = 50 * time.Millisecond
)

// NotYetVisibleError says that a view did not come to include a write within the caller's deadline.
type NotYetVisibleError struct {
	Position uint64
	Err      error // how the waiting ended
}

func (e *NotYetVisibleError) Error() string {
	return fmt.Sprintf("what the token stands for (position %d) is not visible here yet; repeat the call, with a longer deadline", e.Position)
}

func (e *NotYetVisibleError) Unwrap() error { return e.Err }

// Await waits until a view includes what a token stands for; without a token not at all. When the deadline, or
// DefaultWait without one, comes first, it returns *NotYetVisibleError; else what Decode and the view return.
func (c *Codec) Await(ctx context.Context, token string, view View) error {
	if token == "" {
		return nil
	}
	position, err := c.Decode("token", token)
	if err != nil {
		return err
	}
	return Await(ctx, position, view)
}

// Await waits until a view includes a position, as long as Codec.Await does.
func Await(ctx context.Context, position uint64, view View) error {
	if view.Position() >= position {
		return nil
	}
	limited, cancel := Limit(ctx)
	defer cancel()
	err := view.WaitFor(limited, position)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		return &NotYetVisibleError{Position: position, Err: err}
	}
	return err
}

// Ended is a view that can be waited for until it includes everything that the store holds.
type Ended interface {
	View
	WaitForEnd(ctx context.Context) error
}

// AwaitEnd waits until a view includes everything that the store holds now, as long as Await does: what another replica
// has just recorded is visible then.
func AwaitEnd(ctx context.Context, view Ended) error {
	limited, cancel := Limit(ctx)
	defer cancel()
	err := view.WaitForEnd(limited)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		return &NotYetVisibleError{Position: view.Position(), Err: err}
	}
	return err
}

// Limit bounds how long a read waits for a view: a little less than the caller does, so that the caller gets an answer, or
// DefaultWait when the caller set no deadline.
func Limit(ctx context.Context) (context.Context, context.CancelFunc) {
	wait := DefaultWait
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		wait = left - min(answerEarly, left/10)
	}
	return context.WithTimeout(ctx, wait)
}
