package replicas

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stockfold/stockfold/services/publication"
)

// published follows the topic of availability, as a shop does, and keeps the newest value of every SKU and channel.
type published struct {
	mu       sync.Mutex
	values   map[offered]value
	messages int
}

// offered is a SKU on a channel.
type offered struct{ sku, channel string }

type value struct {
	ats      int64
	position uint64
}

// follow reads the topic until the test ends.
func follow(t *testing.T, broker string) *published {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(publication.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	p := &published{values: map[offered]value{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if err := p.take(r.Value); err != nil {
					t.Errorf("published %s: %v", r.Value, err)
				}
			})
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		client.Close()
	})
	return p
}

func (p *published) take(message []byte) error {
	var m struct {
		Availability struct {
			SKU, Channel string
			ATS          int64  `json:",string"`
			Position     uint64 `json:",string"`
		}
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages++
	a := m.Availability
	if key := (offered{a.SKU, a.Channel}); a.Position >= p.values[key].position {
		p.values[key] = value{a.ATS, a.Position}
	}
	return nil
}

func (p *published) of(sku, channel string) value {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.values[offered{sku, channel}]
}
