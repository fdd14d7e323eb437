// Package routing hands reservations of one SKU to one of the replicas, so that customers of a hot SKU wait in one mailbox
// instead of each replica writing past the others.
//
// Every replica knows the addresses of all, and ranks them for each SKU by rendezvous hashing; the first that is not known
// to be away decides. Nothing depends on their agreeing: whoever decides appends at the expected revision, and a call
// repeated counts once. So whatever is wrong with the other replica, the call is decided here. A call is handed on once.
package routing

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/provenance"
)

// handedKey marks a call that another replica handed on, with the event store that it means.
const handedKey = "stockfold-handed-on"

const (
	// MaxWait is how long another replica may take before a call is decided here.
	MaxWait = time.Second
	// awayFor is how long a replica is left alone after it did not answer.
	awayFor = time.Second
)

// Reservations is a ReservationService that hands Reserve to the replica that the SKU belongs to.
type Reservations struct {
	pb.ReservationServiceServer // decides here
	storeID                     string
	self                        string
	others                      []*peer
}

// peer is another replica.
type peer struct {
	name   string
	conn   *grpc.ClientConn
	client pb.ReservationServiceClient
	away   atomic.Int64 // until when, in nanoseconds since 1970
}

// New wraps the service of this process, which others know as self. peers are the addresses of all replicas, self among
// them or not. Close it.
func New(here pb.ReservationServiceServer, storeID, self string, peers []string) (*Reservations, error) {
	r := &Reservations{ReservationServiceServer: here, storeID: storeID, self: self}
	for _, name := range peers {
		if name == self {
			continue
		}
		conn, err := grpc.NewClient("passthrough:///"+name, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("replica %s: %w", name, err), r.Close())
		}
		r.others = append(r.others, &peer{name: name, conn: conn, client: pb.NewReservationServiceClient(conn)})
	}
	return r, nil
}

// Close closes the connections.
func (r *Reservations) Close() error {
	var failed []error
	for _, p := range r.others {
		failed = append(failed, p.conn.Close())
	}
	return errors.Join(failed...)
}

// Reserve is decided by the replica that the SKU belongs to, or here.
func (r *Reservations) Reserve(ctx context.Context, request *pb.ReserveRequest) (*pb.ReserveResponse, error) {
	if from := metadata.ValueFromIncomingContext(ctx, handedKey); len(from) > 0 {
		if from[0] != r.storeID {
			return nil, status.Error(codes.Unavailable, "this replica has another event store")
		}
		return r.ReservationServiceServer.Reserve(ctx, request)
	}
	if owner := r.owner(request.Sku); owner != nil {
		answer, err := owner.reserve(ctx, r.storeID, request)
		if answered(err) || ctx.Err() != nil {
			return answer, err
		}
		owner.away.Store(time.Now().Add(awayFor).UnixNano())
	}
	return r.ReservationServiceServer.Reserve(ctx, request)
}

// owner is the replica that a SKU belongs to; nil is this one.
func (r *Reservations) owner(sku string) (first *peer) {
	highest, now := weight(r.self, sku), time.Now().UnixNano()
	for _, p := range r.others {
		if w := weight(p.name, sku); w > highest && p.away.Load() <= now {
			first, highest = p, w
		}
	}
	return first
}

// weight ranks replicas for a SKU.
func weight(replica, sku string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(replica))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(sku))
	x := h.Sum64() // its high bits hardly depend on the last bytes
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

func (p *peer) reserve(ctx context.Context, storeID string, request *pb.ReserveRequest) (*pb.ReserveResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, MaxWait)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, handedKey, storeID)
	if id := provenance.RequestID(ctx); id != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, provenance.RequestIDKey, id)
	}
	return p.client.Reserve(ctx, request)
}

// answered tells whether a replica answered, be it with a refusal.
func answered(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unimplemented, codes.Internal, codes.Unknown:
		return false
	}
	return true
}
