package replicas

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Bounds of a call that is repeated.
const (
	callTimeout = 5 * time.Second
	retryPause  = 50 * time.Millisecond
)

// outcome is how a command that was asked for ended.
type outcome uint8

const (
	unknown      outcome = iota // not asked, or not answered yet
	acknowledged                // the answer was good
	refused                     // the answer was that it cannot be
)

// anywhere makes a call on any replica, and repeats it on another one while the answer is that there is trouble. So do the
// clients of the service, who know that a repeated call counts once.
func anywhere(ctx context.Context, list []*replica, call func(context.Context, *replica) error) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		limited, done := context.WithTimeout(ctx, callTimeout)
		err := call(limited, list[rand.IntN(len(list))])
		done()
		switch status.Code(err) {
		case codes.OK:
			return acknowledged, nil
		case codes.FailedPrecondition:
			return refused, err
		case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.ResourceExhausted:
		default:
			return unknown, err
		}
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return unknown, fmt.Errorf("no answer within %s, the last was: %w", patience, err)
		}
	}
}
