package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/proto/codec"
)

// History is where events to be verified come from: an event store is one, embedded or not.
type History interface {
	projections.Store
	Streams
}

// Streams reads a stream from a revision on, until each returns false; data is valid until then.
type Streams interface {
	ReadStream(ctx context.Context, stream string, from uint64, each func(aggregates.Record) bool) error
}

// VerifyStore verifies everything that a store holds when it is called, against its own heads and those named with Expect. each is
// told the position and the end now and then. It returns *Fault, or the store's error: an event that cannot even be read is one as well, and names its place.
func VerifyStore(ctx context.Context, s History, v *Verifier, each func(position, end uint64)) error {
	end, err := s.End(ctx)
	if err != nil {
		return err
	}
	headless := v.ExpectRecorded(ctx, s, end) // whatever is wrong there is found in its order, or told at the end
	sub, err := s.Subscribe(ctx, 0)
	if err != nil {
		return err
	}
	defer sub.Close()
	for at := uint64(0); at < end; {
		b, err := sub.Next(ctx)
		if err != nil {
			return unreadable(err)
		}
		for i := range b.Records {
			if b.Records[i].Position > end {
				break
			}
			if err := v.Add(&b.Records[i]); err != nil {
				return err
			}
		}
		if len(b.Records) == 0 && b.Through <= at {
			return &Fault{Kind: Removed, Position: at, What: fmt.Sprintf("nothing stands there, and the store ends at position %d", end)}
		}
		at = b.Through
		each(min(at, end), end)
	}
	if err := v.End(); err != nil {
		return err
	}
	if headless != nil {
		return headless
	}
	return v.checkStreams(ctx, s)
}

// unreadable makes a fault of an event that cannot be read; trouble of another kind stays what it is.
func unreadable(err error) error {
	if ctx := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded); ctx {
		return err
	}
	return fmt.Errorf("the history cannot be read on: %w", err)
}

// ExpectRecorded names the heads that a store has recorded itself, up to a position.
func (v *Verifier) ExpectRecorded(ctx context.Context, s Streams, end uint64) error {
	var bad error
	v.whole = true
	err := s.ReadStream(ctx, aggregates.AuditPrefix+aggregates.TreeHeads, 0, func(r aggregates.Record) bool {
		if r.Position > end {
			return false
		}
		v.named = r.Position
		e, _, err := codec.Decode(r)
		if err != nil {
			bad = v.fault(Changed, &r, "%v", err)
			return false
		}
		switch e := e.(type) {
		case *domain.TreeHeadRecorded:
			if err := v.Expect(e.Note, fmt.Sprintf("event %d of %s", r.Revision, r.Stream)); err != nil {
				bad = v.fault(Forged, &r, "%v", err)
			}
		case *domain.HistoryCondensed:
			v.said = *e
		}
		return bad == nil
	})
	if bad != nil {
		return bad
	}
	return err
}

// checkStreams reads the end of every stream by the stream's own index: it must lead to what stands in the order of the store.
func (v *Verifier) checkStreams(ctx context.Context, s History) error {
	for stream, c := range v.known {
		var found *aggregates.Record
		err := s.ReadStream(ctx, stream, c.next-1, func(r aggregates.Record) bool {
			found = &r
			return r.Revision < c.next // whatever came since is not looked at
		})
		if err != nil {
			return fmt.Errorf("the index of stream %q does not lead to its events: %w", stream, err)
		}
		if found == nil {
			return &Fault{Kind: Removed, Stream: stream, Revision: c.next - 1, What: "it is in the order of the store, and the index of its stream leads nowhere"}
		}
	}
	return nil
}

// ErrCondensed says that an event stood at a place, and not what it was: the head proves its leaf, and a condensed event only carries the hash of that. Anybody
// could put other words before the hash; what is left of condensed events is proved all at once, by verifying the history.
var ErrCondensed = errors.New("it is condensed: the head proves that an event stood there, and not what is left of it")

// CheckProof proves by a head alone that its tree holds an event. The record has no position: a proof says nothing of it. It returns ErrCondensed, with what the
// record claims, when that much is proved of its place and nothing else.
func CheckProof(h Head, index int64, path [][]byte, leaf []byte) (aggregates.Record, error) {
	r, err := codec.ParseLeaf(leaf)
	if err != nil {
		return r, err
	}
	proof, err := hashes(path)
	if err == nil {
		hash, _ := codec.LeafHash(nil, &r)
		err = tlog.CheckRecord(proof, h.Size, h.Root, index, hash)
	}
	if err != nil {
		return r, fmt.Errorf("the proof does not lead from the event to the head: %w", err)
	}
	if _, _, condensed := codec.CutCondensed(r.Data); condensed {
		return r, ErrCondensed
	}
	return r, nil
}

// CheckConsistency proves that the tree of a head begins with that of an earlier one.
func CheckConsistency(earlier, h Head, path [][]byte) error {
	if earlier.Origin != h.Origin {
		return fmt.Errorf("the heads are of different stores: %s and %s", earlier.Origin, h.Origin)
	}
	proof, err := hashes(path)
	if err == nil {
		err = tlog.CheckTree(proof, h.Size, h.Root, earlier.Size, earlier.Root)
	}
	if err != nil {
		return fmt.Errorf("the history now does not begin with the %d events of the earlier head: %w", earlier.Size, err)
	}
	return nil
}

func hashes(path [][]byte) (list []tlog.Hash, err error) {
	for _, h := range path {
		if len(h) != tlog.HashSize {
			return nil, fmt.Errorf("a hash of %d bytes", len(h))
		}
		list = append(list, tlog.Hash(h))
	}
	return list, nil
}
