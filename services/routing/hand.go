package routing

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// handedKey marks a call that another replica handed on, with the event store that it means.
const handedKey = "stockfold-handed-on"

// maxMetadata bounds what a caller says beside its request, for the call to be handed on: less than a replica takes.
const maxMetadata = 8 << 10

// handed tells whether another replica handed a call on. An error says that it means another event store.
func handed(ctx context.Context, storeID string) (bool, error) {
	from := metadata.ValueFromIncomingContext(ctx, handedKey)
	if len(from) == 0 {
		return false, nil
	}
	if from[0] != storeID {
		return true, status.Error(codes.Unavailable, "this replica has another event store")
	}
	return true, nil
}

// handOn has a call decided by the replica that its SKU belongs to, or here.
func handOn[Q, A any](ctx context.Context, r *Router, method, sku string, request *Q, here func(context.Context, *Q) (*A, error)) (*A, error) {
	owner := r.owner(sku)
	if owner == nil {
		return here(ctx, request)
	}
	outgoing, ok := onward(ctx, r.config.StoreID)
	if !ok {
		return here(ctx, request)
	}
	answer := new(A)
	if answered, err := owner.call(outgoing, method, request, answer); answered {
		if err != nil {
			return nil, err
		}
		r.counts.handed.Add(1)
		return answer, nil
	}
	r.counts.here.Add(1)
	return here(ctx, request)
}

// onward has what the caller said beside its request go along, but for what belongs to its own connection.
func onward(ctx context.Context, storeID string) (context.Context, bool) {
	said, _ := metadata.FromIncomingContext(ctx)
	along, size := make(metadata.MD, len(said)+1), 0
	for key, values := range said {
		if ofConnection(key) {
			continue
		}
		for _, v := range values {
			size += len(key) + len(v) + 32 // as HTTP/2 counts
		}
		along[key] = values
	}
	along.Set(handedKey, storeID)
	return metadata.NewOutgoingContext(ctx, along), size <= maxMetadata
}

// ofConnection tells whether metadata is about a connection rather than about a call.
func ofConnection(key string) bool {
	switch key {
	case "content-type", "user-agent", "te", "host", "connection", handedKey:
		return true
	}
	return strings.HasPrefix(key, ":") || strings.HasPrefix(key, "grpc-")
}
