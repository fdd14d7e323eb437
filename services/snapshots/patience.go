package snapshots

import (
	"time"

	"google.golang.org/grpc"

	"github.com/stockfold/stockfold/services/refusals"
)

// sendPatience is how long a message of an answer may wait for its reader, who has one of few turns meanwhile.
const sendPatience = time.Minute

var patience = sendPatience // of services made from now on

// patient is a stream of answers that is given up when nobody reads it.
type patient[T any] struct {
	grpc.ServerStreamingServer[T]
	patience time.Duration
}

// Send sends a message, or returns refusals.ErrNotTaken. What still sends then ends with the call.
func (p patient[T]) Send(m *T) error {
	sent := make(chan error, 1)
	go func() { sent <- p.ServerStreamingServer.Send(m) }()
	late := time.NewTimer(p.patience)
	defer late.Stop()
	select {
	case err := <-sent:
		return err
	case <-late.C:
		return refusals.ErrNotTaken
	}
}
