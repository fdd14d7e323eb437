package bench

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Sizes are the mean sizes of a row's messages, in bytes of protobuf.
type Sizes struct {
	Request float64 `json:"request_bytes"`
	Reply   float64 `json:"reply_bytes"`
}

func meanSizes(seen []exchange) *Sizes {
	if len(seen) == 0 {
		return nil
	}
	var s Sizes
	for _, x := range seen {
		s.Request += float64(x.request)
		s.Reply += float64(x.reply)
	}
	s.Request /= float64(len(seen))
	s.Reply /= float64(len(seen))
	return &s
}

// echoes are ready-made requests, one for each exchange that was seen.
type echoes struct {
	requests []*frame
	replies  []int // encoded sizes that must come back
}

func newEchoes(seen []exchange) (*echoes, error) {
	if len(seen) == 0 {
		return nil, fmt.Errorf("echo: no exchange was seen to learn the sizes from")
	}
	e := &echoes{}
	for _, x := range seen {
		m, err := echoRequest(x)
		if err != nil {
			return nil, err
		}
		b, err := proto.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("echo request: %w", err)
		}
		e.requests, e.replies = append(e.requests, (*frame)(&b)), append(e.replies, x.reply)
	}
	return e, nil
}

// call returns a worker's calls, which go through all exchanges, each worker from another one on.
func (e *echoes) call(w *wire, worker int) call {
	const stride = 7919 // a prime: neighbours do not ask for the same
	turn, reply := worker*stride, new(frame)
	return func(ctx context.Context) error {
		i := turn % len(e.requests)
		turn++
		if err := w.call(ctx, echoMethod, e.requests[i], reply); err != nil {
			return err
		}
		if len(*reply) != e.replies[i] {
			return wrong("echo of %d bytes, expected %d", len(*reply), e.replies[i])
		}
		return nil
	}
}
