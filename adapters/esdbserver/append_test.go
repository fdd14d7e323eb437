package esdbserver_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"github.com/stockfold/stockfold/adapters/esdbserver"
)

func TestAppendAtEveryKindOfRevision(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.refused(esdb.ErrorCodeWrongExpectedVersion, "a", esdb.StreamExists{}, note(0))
	w.refused(esdb.ErrorCodeWrongExpectedVersion, "a", esdb.Revision(0), note(0))
	first := w.append("a", esdb.NoStream{}, notes(0, 2)...)
	if first.NextExpectedVersion != 1 || first.CommitPosition != 2 || first.PreparePosition != 2 {
		t.Errorf("got %+v", first)
	}
	if text := w.refused(esdb.ErrorCodeWrongExpectedVersion, "a", esdb.NoStream{}, note(9)); !strings.Contains(text, "'no_stream' but got '1'") {
		t.Error(text)
	}
	if text := w.refused(esdb.ErrorCodeWrongExpectedVersion, "a", esdb.Revision(5), note(9)); !strings.Contains(text, "'5' but got '1'") {
		t.Error(text)
	}
	w.append("a", esdb.Revision(1), note(2))
	w.append("a", esdb.StreamExists{}, note(3))
	if got := w.append("a", esdb.Any{}, note(4)); got.NextExpectedVersion != 4 || got.CommitPosition != 5 {
		t.Errorf("got %+v", got)
	}
	w.has(w.read("a", esdb.ReadStreamOptions{}, 100), 0, 1, 2, 3, 4)
	w.append("b", esdb.Any{}, note(0))
	w.has(w.read("b", esdb.ReadStreamOptions{}, 100), 0)
}

func TestARepeatedAppendCountsOnce(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	exact := w.append("a", esdb.NoStream{}, notes(0, 3)...)
	anywhere := w.append("a", esdb.Any{}, notes(3, 2)...)
	w.append("a", esdb.Revision(4), note(5))
	check := func(w *world) {
		t.Helper()
		for range 2 {
			if got := w.append("a", esdb.NoStream{}, notes(0, 3)...); *got != *exact {
				t.Errorf("got %+v, want %+v", got, exact)
			}
			for _, expected := range []esdb.ExpectedRevision{esdb.Any{}, esdb.StreamExists{}} {
				if got := w.append("a", expected, notes(3, 2)...); *got != *anywhere {
					t.Errorf("got %+v, want %+v", got, anywhere)
				}
			}
		}
		w.refused(esdb.ErrorCodeWrongExpectedVersion, "a", esdb.NoStream{}, note(0), note(7))
		w.refused(esdb.ErrorCodeWrongExpectedVersion, "a", esdb.Any{}, note(0), note(7))
		w.has(w.read("a", esdb.ReadStreamOptions{}, 100), 0, 1, 2, 3, 4, 5)
	}
	check(w)
	check(serve(t, w.store, esdbserver.Options{})) // after a restart
	w.append("b", esdb.Any{}, notes(3, 2)...)      // the same ids in another stream are other events
	w.has(w.read("b", esdb.ReadStreamOptions{}, 100), 0, 1)
}

func TestTheSameAppendByManyAtOnceCountsOnce(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	for n := range 10 {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := w.client.AppendToStream(w.ctx, "a", esdb.AppendToStreamOptions{}, notes(2*n, 2)...); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	if list := w.read("a", esdb.ReadStreamOptions{}, 100); len(list) != 20 {
		t.Errorf("%d events, want 20", len(list))
	}
}

func TestWritersWithoutAnExpectedRevisionNeverConflict(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for n := range 20 {
				if _, err := w.client.AppendToStream(w.ctx, "a", esdb.AppendToStreamOptions{}, note(1000*g+n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if list := w.read("a", esdb.ReadStreamOptions{}, 1000); len(list) != 160 || list[159].EventNumber != 159 {
		t.Errorf("%d events, want 160", len(list))
	}
}

func TestAnAppendOfNothingComparesTheRevision(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.append("a", esdb.NoStream{})
	w.refused(esdb.ErrorCodeWrongExpectedVersion, "a", esdb.Revision(3))
	w.append("a", esdb.NoStream{}, note(0))
	if got := w.append("a", esdb.Revision(0)); got.CommitPosition != 0 || got.NextExpectedVersion != 0 {
		t.Errorf("got %+v", got)
	}
	w.has(w.read("a", esdb.ReadStreamOptions{}, 100), 0)
}

func TestBoundsOfAnAppend(t *testing.T) {
	w := newWorld(t, esdbserver.Options{MaxAppendBytes: 1 << 20})
	large := note(0)
	large.ContentType, large.Data = esdb.ContentTypeBinary, bytes.Repeat([]byte{0, 255}, 1<<19-2000)
	w.append("a", esdb.NoStream{}, large)
	if list := w.read("a", esdb.ReadStreamOptions{}, 1); !bytes.Equal(list[0].Data, large.Data) {
		t.Error("a large event came back otherwise")
	}
	other := large
	other.EventID = uuid.New()
	for name, x := range map[string]struct {
		stream string
		events []esdb.EventData
	}{
		"two large events":       {"b", []esdb.EventData{large, other}},
		"a stream without name":  {"", notes(0, 1)},
		"a very long name":       {strings.Repeat("s", esdbserver.MaxStreamBytes+1), notes(0, 1)},
		"a very long event type": {"b", []esdb.EventData{{EventType: strings.Repeat("t", esdbserver.MaxTypeBytes+1)}}},
		"no event type":          {"b", []esdb.EventData{{}}},
		"$all":                   {"$all", notes(0, 1)},
		"links":                  {"b", []esdb.EventData{{EventType: "$>", Data: []byte("0@a")}}},
	} {
		got, err := w.client.AppendToStream(w.ctx, x.stream, esdb.AppendToStreamOptions{}, x.events...)
		if err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
	w.append(strings.Repeat("s", esdbserver.MaxStreamBytes), esdb.NoStream{}, note(0))
}

func TestAServerThatOnlyReads(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.append("a", esdb.NoStream{}, notes(0, 2)...)
	r := serve(t, w.store, esdbserver.Options{ReadOnly: true})
	r.has(r.read("a", esdb.ReadStreamOptions{}, 10), 0, 1)
	r.refused(esdb.ErrorCodeAccessDenied, "a", esdb.Any{}, note(2))
	r.refused(esdb.ErrorCodeAccessDenied, "new", esdb.NoStream{}, note(2))
	r.refused(esdb.ErrorCodeAccessDenied, "a", esdb.Any{}) // not even nothing
	r.has(r.read("a", esdb.ReadStreamOptions{}, 10), 0, 1)
}
