package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Options of a load.
type Options struct {
	POS     File
	Items   *File // descriptions; nil for none
	Opening Opening
	Verify  bool

	Conn    *grpc.ClientConn   // to the service
	Others  []*grpc.ClientConn // to its other replicas, each of which takes in some of the partitions
	Brokers Brokers

	Log      *slog.Logger
	Progress Progress
}

// keptFor is for how long at least the service tells that a message came before.
const keptFor = 24 * time.Hour

// ErrTooLate says that a file was loaded so long ago that loading it again could count twice.
var ErrTooLate = errors.New("the file was loaded before, too long ago to load it again")

// loader is one load under way.
type loader struct {
	Options
	policy    pb.PolicyServiceClient
	stock     pb.StockServiceClient
	history   pb.HistoryServiceClient
	ops       pb.OperationsServiceClient
	replicas  []pb.OperationsServiceClient // all of them
	publisher *publisher
	survey    *Survey
	summary   Summary
}

// Run loads a file and returns what became of it. What it did before an error stays: run it again, and it goes on.
// Errors: *LineError for a bad file, before anything was sent; ErrTooLate; a gRPC status; an error of the brokers.
func Run(ctx context.Context, o Options) (*Summary, error) {
	l := &loader{Options: o, policy: pb.NewPolicyServiceClient(o.Conn), stock: pb.NewStockServiceClient(o.Conn),
		history: pb.NewHistoryServiceClient(o.Conn), ops: pb.NewOperationsServiceClient(o.Conn), publisher: newPublisher(o.Brokers)}
	l.replicas = []pb.OperationsServiceClient{l.ops}
	for _, other := range o.Others {
		l.replicas = append(l.replicas, pb.NewOperationsServiceClient(other))
	}
	err := l.run(ctx)
	if closed := l.publisher.close(); err == nil && closed != nil {
		err = fmt.Errorf("close the connection to the brokers: %w", closed)
	}
	if err != nil {
		return nil, err
	}
	return &l.summary, nil
}

func (l *loader) run(ctx context.Context) error {
	began := time.Now()
	if err := l.prepare(ctx); err != nil {
		return err
	}
	before, err := l.facts(ctx)
	if err != nil {
		return err
	}
	if err := l.send(ctx); err != nil {
		return err
	}
	l.summary.Total = time.Since(began)
	if err := l.account(ctx, before); err != nil {
		return err
	}
	if !l.Verify {
		return nil
	}
	add, done := l.Progress.Stage("balances compared", len(l.survey.SKUs))
	l.summary.Verification, err = l.verify(ctx, add)
	done()
	return err
}

// prepare reads the file, and defines what its sales need.
func (l *loader) prepare(ctx context.Context) (err error) {
	if l.survey, err = TakeSurvey(ctx, l.POS); err != nil {
		return err
	}
	l.summary.Survey = l.survey
	var items []*pb.Item
	if l.Items != nil {
		if items, err = ReadItems(ctx, *l.Items, l.survey.SKUs); err != nil {
			return err
		}
	}
	if err := l.checkAge(ctx); err != nil {
		return err
	}
	if l.summary.Stores, err = l.defineStores(ctx); err != nil {
		return err
	}
	if err := l.defineChannels(ctx); err != nil {
		return err
	}
	add, done := l.Progress.Stage("items registered", len(items))
	defer done()
	l.summary.Items, err = l.registerItems(ctx, items, add)
	return err
}

// checkAge looks for the file's first sale in its SKU's history. When it was recorded so long ago that the service may
// have forgotten the messages, publishing them again could count twice.
func (l *loader) checkAge(ctx context.Context) error {
	first, err := firstBasket(l.POS)
	if err != nil {
		return err
	}
	return pages(func(token string) (string, error) {
		page, err := l.history.ListEvents(ctx, &pb.ListEventsRequest{Sku: first.Lines[0].SKU, PageSize: pageSize, PageToken: token,
			Order: pb.ListEventsRequest_ORDER_OLDEST_FIRST})
		if status.Code(err) == codes.NotFound {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("history of SKU %q: %w", first.Lines[0].SKU, err)
		}
		for _, e := range page.Events {
			at := e.RecordedAt.AsTime()
			if e.Source.GetSystem() == sourcePrefix+first.Store && e.Source.GetMessageId() == first.ID {
				if time.Since(at) < keptFor-time.Hour {
					return "", nil
				}
				return "", fmt.Errorf("%w: its first sale was recorded at %s, and the service recognises a message for %s; load it into an empty data directory",
					ErrTooLate, at.Format(time.RFC3339), keptFor)
			}
		}
		return page.NextPageToken, nil
	})
}

func firstBasket(f File) (*Basket, error) {
	pos, err := OpenPOS(f)
	if err != nil {
		return nil, err
	}
	defer pos.Close()
	return pos.Next()
}

// send publishes the counts and then the sales, and waits until all is readable. Sales follow once the counts
// are recorded: then no count comes late and has to look into a SKU's past.
func (l *loader) send(ctx context.Context) error {
	began := time.Now()
	if !l.Opening.None() {
		counts := 0
		for _, sku := range l.survey.SKUs {
			counts += len(sku.Sold)
		}
		if err := l.stage(ctx, MovementsTopic, "opening counts", counts, l.publishCounts); err != nil {
			return err
		}
		l.summary.Counts = counts
	}
	if err := l.stage(ctx, SalesTopic, "baskets", l.survey.Baskets, l.publishSales); err != nil {
		return err
	}
	l.summary.Through = time.Since(began)
	return l.awaitReadable(ctx)
}

// stage publishes messages and waits until they are recorded, each shown as it goes.
func (l *loader) stage(ctx context.Context, topic, what string, messages int, publish func(context.Context) error) error {
	add, done := l.Progress.Stage(what+" sent", messages)
	l.publisher.sent = add
	began := time.Now()
	err := publish(ctx)
	l.summary.Publishing += time.Since(began)
	done()
	if err != nil {
		return err
	}
	add, done = l.Progress.Stage(what+" applied", messages)
	defer done()
	return l.awaitDurable(ctx, topic, atMost(messages, add))
}

// atMost counts steps up to a total: a batch whose acknowledgement was lost is sent again, and lies in the log twice.
func atMost(total int, add func(int)) func(int) {
	return func(n int) {
		n = min(n, total)
		total -= n
		add(n)
	}
}

// account finds out what became of every fact.
func (l *loader) account(ctx context.Context, before counted) error {
	after, err := l.facts(ctx)
	if err != nil {
		return err
	}
	s := &l.summary
	if s.DeadLettered, s.Reasons, err = l.deadLetters(ctx); err != nil {
		return err
	}
	s.tellApart(before, after)
	return nil
}

// Summary says what became of a load.
type Summary struct {
	Survey *Survey
	Items  int // registered now
	Stores int // defined now
	Counts int // opening counts published

	Applied      int      // facts recorded now: counts, and lines of baskets
	Duplicates   int      // facts that were recorded before, also by a try whose answer the service did not get
	Restarted    bool     // the service began to count anew meanwhile: Applied and Duplicates are not known
	DeadLettered int      // facts kept as dead letters
	Reasons      []string // why, one example each

	Publishing time.Duration // spent on sending
	Through    time.Duration // from the first message sent to the last one recorded
	Total      time.Duration // from reading the file to everything readable

	Verification *Verification // nil when not asked for
}

// Facts is how many facts were published: opening counts, and lines of baskets.
func (s *Summary) Facts() int { return s.Counts + s.Survey.Lines }

// tellApart tells facts recorded by this load from those recorded before, by what the service counted before and after.
func (s *Summary) tellApart(before, after counted) {
	if s.Restarted = !slices.EqualFunc(after.started, before.started, time.Time.Equal); s.Restarted {
		return
	}
	s.Applied = int(after.facts - before.facts)
	s.Duplicates = max(0, s.Facts()-s.Applied-s.DeadLettered)
}

// Failed tells whether something is not as the file says.
func (s *Summary) Failed() bool {
	return s.DeadLettered > 0 || s.Verification != nil && s.Verification.Wrong > 0
}

// Print writes the summary for people.
func (s *Summary) Print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d lines in %d baskets of %d SKUs at %d stores, %d of them of quantity 0, and %d opening counts:\n",
		s.Survey.Lines, s.Survey.Baskets, len(s.Survey.SKUs), len(s.Survey.Stores), s.Survey.ZeroLines, s.Counts)
	if s.Restarted {
		fmt.Fprintf(&b, "  recorded       %d, now or before: the service restarted meanwhile and counts anew\n", s.Facts()-s.DeadLettered)
	} else {
		fmt.Fprintf(&b, "  applied now    %d\n  duplicates     %d\n", s.Applied, s.Duplicates)
	}
	fmt.Fprintf(&b, "  dead letters   %d\n", s.DeadLettered)
	for _, reason := range s.Reasons {
		fmt.Fprintf(&b, "    %s\n", reason)
	}
	fmt.Fprintf(&b, "  %.1f s in all; from Kafka to disk %.1f s, %.0f facts/s\n",
		s.Total.Seconds(), s.Through.Seconds(), float64(s.Facts())/max(s.Through.Seconds(), 0.001))
	if s.Duplicates > 0 {
		fmt.Fprintf(&b, "Duplicates were recorded before, by an earlier load or a first try, and count once.\n")
	}
	if v := s.Verification; v != nil {
		fmt.Fprintf(&b, "%d of %d balances are as the file says; %d are sold out, %d are below zero.\n",
			v.Pairs-min(v.Wrong, v.Pairs), v.Pairs, v.SoldOut, v.Negative)
		for _, m := range v.Mismatches {
			fmt.Fprintf(&b, "  %s\n", m)
		}
		if more := v.Wrong - len(v.Mismatches); more > 0 {
			fmt.Fprintf(&b, "  and %d more\n", more)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
