package esdbserver_test

import (
	"errors"
	"io"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/stockfold/stockfold/adapters/esdbserver"
)

func TestReadsOfAStream(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.append("a", esdb.NoStream{}, notes(0, 5)...)
	w.append("b", esdb.NoStream{}, notes(0, 1)...)
	w.append("a", esdb.Revision(4), notes(5, 5)...)
	down := func(from esdb.StreamPosition) esdb.ReadStreamOptions {
		return esdb.ReadStreamOptions{Direction: esdb.Backwards, From: from}
	}
	up := func(from esdb.StreamPosition) esdb.ReadStreamOptions { return esdb.ReadStreamOptions{From: from} }
	w.has(w.read("a", up(esdb.Start{}), 3), 0, 1, 2)
	w.has(w.read("a", up(esdb.Revision(4)), 3), 4, 5, 6)
	w.has(w.read("a", up(esdb.Revision(8)), 30), 8, 9)
	w.has(w.read("a", up(esdb.Revision(10)), 30))
	w.has(w.read("a", up(esdb.End{}), 30))
	w.has(w.read("a", down(esdb.End{}), 2), 9, 8)
	w.has(w.read("a", down(esdb.Revision(4)), 30), 4, 3, 2, 1, 0)
	w.has(w.read("a", down(esdb.Revision(70)), 1), 9)
	w.has(w.read("a", down(esdb.Start{}), 30), 0)
	w.has(w.read("a", up(esdb.Start{}), 0))
	s, err := w.client.ReadStream(w.ctx, "none", up(esdb.Start{}), 1)
	if err != nil {
		t.Fatal(err)
	}
	var e *esdb.Error
	if _, err := s.Recv(); !errors.As(err, &e) || e.Code() != esdb.ErrorCodeResourceNotFound {
		t.Errorf("got %v, want not found", err)
	}
}

func TestReadsOfEverything(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	const n = 3000 // more than the pages of either direction
	w.sell("sku-a", 0, n)
	all := w.readAll(esdb.ReadAllOptions{From: esdb.Start{}}, n+1)
	if len(all) != n {
		t.Fatalf("%d events forwards, want %d", len(all), n)
	}
	back := w.readAll(esdb.ReadAllOptions{From: esdb.End{}, Direction: esdb.Backwards}, n+1)
	if len(back) != n {
		t.Fatalf("%d events backwards, want %d", len(back), n)
	}
	for i := range all {
		if all[i].EventNumber != uint64(i) || back[n-1-i].EventID != all[i].EventID {
			t.Fatalf("place %d: %v, backwards %v", i, all[i], back[n-1-i])
		}
	}
	at := func(i int) esdb.Position { return all[i].Position }
	w.has(w.readAll(esdb.ReadAllOptions{From: at(7)}, 2), 7, 8)
	w.has(w.readAll(esdb.ReadAllOptions{From: at(7), Direction: esdb.Backwards}, 2), 6, 5)
	w.has(w.readAll(esdb.ReadAllOptions{From: at(0), Direction: esdb.Backwards}, 2))
	w.has(w.readAll(esdb.ReadAllOptions{From: at(n - 1)}, 9), n-1)
	w.has(w.readAll(esdb.ReadAllOptions{From: esdb.End{}}, 9))
	w.has(w.readAll(esdb.ReadAllOptions{From: esdb.Start{}, Direction: esdb.Backwards}, 9))
}

func TestLargeEventsAreReadBothWays(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	for n := range 20 {
		e := note(n)
		e.ContentType, e.Data = esdb.ContentTypeBinary, make([]byte, 900_000)
		w.append("a", esdb.Any{}, e)
	}
	if got := w.read("a", esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 30); len(got) != 20 || got[0].EventNumber != 19 {
		t.Errorf("%d events", len(got))
	}
	if got := w.readAll(esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}}, 30); len(got) != 20 || got[0].EventNumber != 19 {
		t.Errorf("%d events", len(got))
	}
}

func TestWhatIsHiddenByMetadata(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.append("a", esdb.NoStream{}, notes(0, 6)...)
	set := func(f func(*esdb.StreamMetadata)) error {
		var m esdb.StreamMetadata
		f(&m)
		_, err := w.client.SetStreamMetadata(w.ctx, "a", esdb.AppendToStreamOptions{}, m)
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(set(func(m *esdb.StreamMetadata) { m.SetMaxCount(2); m.AddCustomProperty("owner", "anna") }))
	w.has(w.read("a", esdb.ReadStreamOptions{}, 100), 4, 5)
	w.has(w.read("a", esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 100), 5, 4)
	w.append("a", esdb.Revision(5), note(6))
	w.has(w.read("a", esdb.ReadStreamOptions{}, 100), 5, 6)
	w.append("a", esdb.Revision(4), note(5), note(6)) // hidden or not, it is the same append
	got, err := w.client.GetStreamMetadata(w.ctx, "a", esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}})
	if err != nil || *got.MaxCount() != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	must(set(func(m *esdb.StreamMetadata) { m.SetTruncateBefore(3) }))
	w.has(w.read("a", esdb.ReadStreamOptions{}, 100), 3, 4, 5, 6)
	w.has(w.read("$$a", esdb.ReadStreamOptions{}, 100), 1) // of metadata, only the newest
	if all := w.readAll(esdb.ReadAllOptions{From: esdb.Start{}}, 100); len(all) != 9 {
		t.Errorf("$all has %d events, want 9", len(all))
	}
	var e *esdb.Error
	for _, f := range []func(*esdb.StreamMetadata){
		func(m *esdb.StreamMetadata) { m.SetTruncateBefore(1<<63 - 1) },
		func(m *esdb.StreamMetadata) { m.SetMaxAge(1) }, func(m *esdb.StreamMetadata) { m.SetAcl("$userStreamAcl") },
	} {
		if err := set(f); !errors.As(err, &e) || e.Code() != esdb.ErrorCodeUnsupportedFeature {
			t.Errorf("got %v, want unsupported", err)
		}
	}
}

func TestWhatIsNotSupportedSaysSo(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.append("a", esdb.NoStream{}, note(0))
	_, deleted := w.client.DeleteStream(w.ctx, "a", esdb.DeleteStreamOptions{})
	_, tombstone := w.client.TombstoneStream(w.ctx, "a", esdb.TombstoneStreamOptions{})
	subscription := w.client.CreatePersistentSubscription(w.ctx, "a", "g", esdb.PersistentStreamSubscriptionOptions{})
	for what, err := range map[string]error{"delete": deleted, "tombstone": tombstone, "persistent subscription": subscription} {
		var e *esdb.Error
		if !errors.As(err, &e) || e.Code() != esdb.ErrorCodeUnsupportedFeature {
			t.Errorf("%s: got %v, want unsupported", what, err)
		}
	}
	w.has(w.read("a", esdb.ReadStreamOptions{}, 10), 0)
}

func TestAReadThatIsClosedEarly(t *testing.T) {
	w := newWorld(t, esdbserver.Options{})
	w.sell("sku-a", 0, 5000)
	for range 20 {
		s, err := w.client.ReadAll(w.ctx, esdb.ReadAllOptions{From: esdb.Start{}}, 5000)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if _, err := s.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	}
}
