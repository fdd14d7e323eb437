package load

import (
	"context"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// Bounds of publishing. A chunk is handed to the brokers at once and acknowledged before the next, so no more than
// that is ever in memory, and messages of one key keep their order.
const (
	chunkMessages = 5_000
	batchMessages = 1_000
	batchBytes    = 900 << 10 // below the brokers' usual limit of 1 MB
	batchTimeout  = 2 * time.Millisecond
	writeTimeout  = 30 * time.Second
)

// Brokers are where messages are published.
type Brokers struct {
	Addresses []string         // HOST:PORT
	Transport *kafka.Transport // how to speak to them; nil: in plain text, to anybody
}

// partition is one partition of a topic.
type partition struct {
	topic  string
	number int
}

// publisher sends messages in chunks and knows where they ended up.
type publisher struct {
	writer  *kafka.Writer
	pending []kafka.Message
	sent    func(int) // told how many more were acknowledged

	mu    sync.Mutex
	spans map[partition]span
}

// span is where messages of this run lie in a partition.
type span struct{ first, end int64 }

func newPublisher(to Brokers) *publisher {
	p := &publisher{spans: map[partition]span{}, sent: func(int) {}}
	p.writer = &kafka.Writer{Addr: kafka.TCP(to.Addresses...), Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll,
		BatchSize: batchMessages, BatchBytes: batchBytes, BatchTimeout: batchTimeout, WriteTimeout: writeTimeout,
		Completion: p.acknowledged}
	if to.Transport != nil { // a nil pointer would not be a nil interface
		p.writer.Transport = to.Transport
	}
	return p
}

// acknowledged notes where a batch lies. It is called before WriteMessages returns.
func (p *publisher) acknowledged(batch []kafka.Message, err error) {
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range batch {
		at := partition{m.Topic, m.Partition}
		s, ok := p.spans[at]
		if !ok {
			s = span{m.Offset, m.Offset + 1}
		}
		p.spans[at] = span{min(s.first, m.Offset), max(s.end, m.Offset+1)}
	}
}

// add queues a message and sends a chunk when there is one.
func (p *publisher) add(ctx context.Context, m kafka.Message) error {
	p.pending = append(p.pending, m)
	if len(p.pending) < chunkMessages {
		return nil
	}
	return p.flush(ctx)
}

// flush sends what is queued and waits until it is acknowledged.
func (p *publisher) flush(ctx context.Context) error {
	if len(p.pending) == 0 {
		return nil
	}
	if err := p.writer.WriteMessages(ctx, p.pending...); err != nil {
		return fmt.Errorf("publish to %s: %w; is that the service's broker? --broker or --kafka-brokers names it", p.writer.Addr, err)
	}
	p.sent(len(p.pending))
	p.pending = p.pending[:0]
	return nil
}

// where tells, per partition, where the messages of this run lie.
func (p *publisher) where() map[partition]span {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.spans)
}

func (p *publisher) close() error {
	if t, ok := p.writer.Transport.(*kafka.Transport); ok {
		defer t.CloseIdleConnections()
	}
	return p.writer.Close()
}

// publishCounts publishes an opening count for every SKU in every store where the file sells it.
func (l *loader) publishCounts(ctx context.Context) error {
	for _, sku := range l.survey.SKUs {
		for _, at := range sku.Sold {
			units, err := l.Opening.Units(sku.ID, at.Units)
			if err != nil {
				return err
			}
			m, err := count(sku.ID, at.Store, units, l.Opening.String(), l.survey.First)
			if err != nil {
				return err
			}
			if err := l.publisher.add(ctx, m); err != nil {
				return err
			}
		}
	}
	return l.publisher.flush(ctx)
}

// publishSales publishes every basket of the file.
func (l *loader) publishSales(ctx context.Context) error {
	pos, err := OpenPOS(l.POS)
	if err != nil {
		return err
	}
	defer pos.Close()
	for {
		b, err := pos.Next()
		if err == io.EOF {
			return l.publisher.flush(ctx)
		}
		if err != nil {
			return err
		}
		m, err := sale(b)
		if err != nil {
			return err
		}
		if err := l.publisher.add(ctx, m); err != nil {
			return err
		}
	}
}
