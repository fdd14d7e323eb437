package reconciliation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	domain "github.com/stockfold/stockfold/aggregates/reconciliation"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/reconciliation/files"
	"github.com/stockfold/stockfold/services/validation"
)

// Names in a directory of snapshots: a file NAME beside NAME.run.json, which is written last and says what the file is (a SnapshotHeader in JSON). Once the run is
// completed that becomes NAME.run.json.done, with the run's id in it; when it cannot be, NAME.run.json.failed, with the reason.
const (
	orderSuffix  = ".run.json"
	doneSuffix   = ".done"
	failedSuffix = ".failed"
)

// Bounds of a directory.
const (
	folderEvery = 5 * time.Second
	maxOrder    = 64 << 10 // bytes of a NAME.run.json
	maxOrders   = 1_000    // looked at in one round; of more, each has its turn
	maxTroubles = 10       // told of one round
)

// Folder takes in the snapshots that other systems put into a directory, so that whatever writes them on a schedule has them compared. Several replicas may watch
// one directory: a snapshot has one run, whoever takes it in. What is still being written waits: a snapshot is taken in once two rounds saw the same of it, and is not
// ended when it changed while it was read.
type Folder struct {
	*Service
	Dir string
	Log *slog.Logger

	seen  map[string]sight // by order, in the last round
	ended map[string]ending
	turn  turn
}

// ending is what became of an order of which it could not be noted down.
type ending struct {
	sight
	suffix, note string
}

// sight is what a round sees of an order and its file.
type sight struct{ order, file stamp }

// stamp is what tells that a file has changed; the zero value is of none.
type stamp struct {
	size int64
	at   time.Time
}

func stampOf(name string) stamp {
	info, err := os.Stat(name)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime()}
}

func (s sight) same(as sight) bool {
	return s.order.size == as.order.size && s.file.size == as.file.size && s.order.at.Equal(as.order.at) && s.file.at.Equal(as.file.at)
}

func sightOf(order string) sight {
	return sight{stampOf(order), stampOf(strings.TrimSuffix(order, orderSuffix))}
}

// errNoFile says that what has the name of a file is none, such as a pipe; somebody may put one there yet.
var errNoFile = errors.New("it is no regular file")

// errChanging says that somebody still writes a file.
var errChanging = errors.New("it changed while it was read")

// Run watches the directory until ctx ends.
func (f *Folder) Run(ctx context.Context) error {
	ticker := time.NewTicker(folderEvery)
	defer ticker.Stop()
	trouble := ""
	for {
		err := f.Round(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && err.Error() != trouble {
			f.Log.Warn("snapshots in a directory are not taken in, will try again", "dir", f.Dir, "error", err)
		}
		if trouble = ""; err != nil {
			trouble = err.Error()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Round looks at the directory once, at maxOrders of its orders. One file that makes trouble does not hold up the others; its error is returned.
func (f *Folder) Round(ctx context.Context) error {
	names, err := f.turn.next(f.Dir)
	if err != nil {
		return err
	}
	var trouble troubles
	before, ended := f.seen, f.ended
	f.seen, f.ended = map[string]sight{}, map[string]ending{}
	for _, name := range names {
		order := filepath.Join(f.Dir, name)
		now := sightOf(order)
		f.seen[order] = now
		if was, known := before[order]; !known || !now.same(was) {
			continue // it may be half written
		}
		if e, known := ended[order]; known && e.same(now) {
			trouble.add(name, f.end(order, e))
			continue
		}
		id, err := f.take(ctx, order)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !exists(order): // another replica was faster
		case err == nil:
			trouble.add(name, f.end(order, ending{now, doneSuffix, id}))
		case permanent(err):
			f.stats.filesRefused.Add(1)
			f.Log.Error("a snapshot cannot be taken in", "file", strings.TrimSuffix(order, orderSuffix), "error", err)
			trouble.add(name, f.end(order, ending{now, failedSuffix, err.Error()}))
		default:
			trouble.add(name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return trouble.err()
}

// troubles are those of one round: the first of them, and how many more.
type troubles struct {
	list []error
	more int
}

func (t *troubles) add(name string, err error) {
	switch {
	case err == nil:
	case len(t.list) < maxTroubles:
		t.list = append(t.list, fmt.Errorf("%s: %w", name, err))
	default:
		t.more++
	}
}

func (t *troubles) err() error {
	if t.more > 0 {
		t.list = append(t.list, fmt.Errorf("and %d files more", t.more))
	}
	return errors.Join(t.list...)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// permanent tells whether an error is about what is in the file: then it makes no sense to try again. A disk or a share may answer later.
func permanent(err error) bool {
	var unread *fs.PathError
	if errors.As(err, &unread) && !errors.Is(err, fs.ErrNotExist) || errors.Is(err, errChanging) {
		return false
	}
	var invalid *validation.Error
	var bad *fileError
	var another *domain.AnotherError
	return errors.As(err, &invalid) || errors.As(err, &bad) || errors.As(err, &another) || errors.Is(err, domain.ErrTooLong) ||
		errors.Is(err, domain.ErrOtherRows) || errors.Is(err, domain.ErrBeyondLast) || errors.Is(err, domain.ErrLastTwice)
}

// fileError says what is wrong with a file as a whole.
type fileError struct{ err error }

func (e *fileError) Error() string { return e.err.Error() }
func (e *fileError) Unwrap() error { return e.err }

// end leaves a note beside the file, in place of the order. Until that is possible, the file is not read again.
func (f *Folder) end(order string, e ending) error {
	err := os.WriteFile(order+e.suffix, []byte(e.note+"\n"), 0o644)
	if err == nil {
		err = os.Remove(order)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.ended[order] = e
		return err
	}
	return nil
}

// take takes in the snapshot of one order, and compares it.
func (f *Folder) take(ctx context.Context, order string) (string, error) {
	dir, err := os.OpenRoot(f.Dir)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	order = filepath.Base(order)
	header, err := headerIn(dir, order)
	if err != nil {
		return "", err
	}
	file, err := openIn(dir, strings.TrimSuffix(order, orderSuffix))
	if errors.Is(err, fs.ErrNotExist) && exists(filepath.Join(f.Dir, order)) {
		return "", &fileError{err}
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return "", err
	}
	unchanged := func() error {
		if now, err := file.Stat(); err != nil || now.Size() != stat.Size() || !now.ModTime().Equal(stat.ModTime()) {
			return cmp.Or(err, errChanging)
		}
		return nil
	}
	return f.takeFile(ctx, header, file, stat.Size(), files.FormatOf(file.Name()), unchanged)
}

// headerIn reads an order.
func headerIn(dir *os.Root, order string) (*pb.SnapshotHeader, error) {
	file, err := openIn(dir, order)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxOrder+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxOrder {
		return nil, &fileError{fmt.Errorf("it has more than %d bytes", maxOrder)}
	}
	header := &pb.SnapshotHeader{}
	if err := protojson.Unmarshal(text, header); err != nil {
		return nil, &fileError{fmt.Errorf("%s is no SnapshotHeader in JSON: %w", order, err)}
	}
	return header, nil
}

// openIn opens a file that lies in the directory. A link that leads out of it is not followed: what lies elsewhere would be told to whoever may see why a line is
// refused, the key of tree heads for one. What is no file is not waited for.
func openIn(dir *os.Root, name string) (*os.File, error) {
	info, err := dir.Stat(name)
	if err != nil {
		if link, _ := dir.Lstat(name); link != nil && link.Mode()&fs.ModeSymlink != 0 {
			return nil, &fileError{fmt.Errorf("%s is a link that leads out of the directory, or nowhere", name)}
		}
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNoFile}
	}
	return dir.Open(name)
}

// takeFile takes in a snapshot from a file, compares it, and returns its run. It asks whether the file was whole before it ends the snapshot, or says that it is no
// good: what was kept of it by then is the beginning of the whole one.
func (s *Service) takeFile(ctx context.Context, header *pb.SnapshotHeader, file files.Source, size int64, format string, unchanged func() error) (string, error) {
	x := &intake{Service: s}
	if _, err := s.checkHeader(header); err != nil {
		return "", err
	}
	begin := func() error { // not before there is a row: a file that cannot be read is no open run
		if x.runID != "" {
			return nil
		}
		return x.begin(ctx, header)
	}
	var failed error
	err := files.Read(file, size, format, func(r files.Row) error {
		m := &pb.StartRunRequest{Refused: []*pb.RefusedRow{{Line: r.Line, Reason: r.Refused}}}
		if r.Refused == "" {
			r.SourceRow.Line = r.Line
			m = &pb.StartRunRequest{Rows: []*pb.SourceRow{r.SourceRow}}
		}
		if failed = begin(); failed == nil {
			failed = x.take(ctx, m)
		}
		return failed
	})
	if failed != nil {
		return "", failed
	}
	if changing := unchanged(); changing != nil {
		return "", changing
	}
	if err != nil {
		return "", &fileError{err}
	}
	if err := begin(); err != nil {
		return "", err
	}
	if err := x.flush(ctx, true); err != nil {
		return "", err
	}
	return x.runID, s.Compare(ctx, x.runID)
}
