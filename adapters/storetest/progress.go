package storetest

import (
	"fmt"

	"github.com/stockfold/stockfold/services/ingest"
)

var progressTests = []test{
	{"of a partition comes back as saved", offsetSaved},
	{"of partitions is kept apart", offsetsApart},
	{"of partitions survives reopening", offsetsReopened},
	{"of a process comes back as saved", checkpointSaved},
	{"of processes is kept apart", checkpointsApart},
	{"of processes survives reopening", checkpointsReopened},
}

func (f *fixture) offset(topic string, partition int32, want ingest.Progress, saved bool) {
	f.Helper()
	got, ok, err := f.Offsets.LoadOffset(f.ctx, topic, partition)
	if err != nil {
		f.Fatal(err)
	}
	if ok != saved || got != want {
		f.Fatalf("progress of %q/%d is %+v, %v, want %+v, %v", topic, partition, got, ok, want, saved)
	}
}

func (f *fixture) saveOffset(topic string, partition int32, p ingest.Progress) {
	f.Helper()
	if f.Offsets == nil {
		f.Skip("this backend keeps no offsets")
	}
	if err := f.Offsets.SaveOffset(f.ctx, topic, partition, p); err != nil {
		f.Fatalf("save the progress of %q/%d: %v", topic, partition, err)
	}
}

func offsetSaved(f *fixture) {
	topic := f.key("topic")
	for _, p := range []ingest.Progress{
		{Next: 1}, {}, {Next: 1<<63 - 1, Epoch: 1 << 40},
		{Next: 7, Epoch: 2, LogID: "log-\x00/ä", SavedAt: 1_490_000_000_000_001, AppliedBelow: 5, AppliedBefore: 1_480_000_000_000_003},
		{Next: 3, AppliedBelow: 1 << 50}, {Next: 9, LogID: "another"},
		{Next: 11, LogID: "\x02log", Numbers: "\x01\x00\xff numbers"}, {Next: 12, Numbers: "n"},
	} {
		f.saveOffset(topic, 3, p)
		f.offset(topic, 3, p, true)
	}
	f.offset(topic, 4, ingest.Progress{}, false)
}

func offsetsApart(f *fixture) {
	topics := []string{f.key("t"), f.key("t1"), f.key("t\x00"), f.key("t-dead"), f.key("T")}
	partitions := []int32{0, 1, 10, 255, 256, 2147483647}
	at := func(i int, p int32) ingest.Progress { return ingest.Progress{Next: int64(i)*1000 + int64(p)} }
	for i, topic := range topics {
		for _, p := range partitions {
			f.saveOffset(topic, p, at(i, p))
		}
	}
	for i, topic := range topics {
		for _, p := range partitions {
			f.offset(topic, p, at(i, p), true)
		}
		f.offset(topic, 2, ingest.Progress{}, false)
	}
}

func offsetsReopened(f *fixture) {
	topic := f.key("topic")
	f.saveOffset(topic, 0, ingest.Progress{Next: 5, LogID: "x"})
	f.reopen()
	f.offset(topic, 0, ingest.Progress{Next: 5, LogID: "x"}, true)
}

func (f *fixture) checkpoint(name string, want uint64, saved bool) {
	f.Helper()
	got, ok, err := f.Checkpoints.LoadCheckpoint(f.ctx, name)
	if err != nil {
		f.Fatal(err)
	}
	if ok != saved || got != want {
		f.Fatalf("checkpoint %q is %d, %v, want %d, %v", name, got, ok, want, saved)
	}
}

func (f *fixture) saveCheckpoint(name string, position uint64) {
	f.Helper()
	if f.Checkpoints == nil {
		f.Skip("this backend keeps no checkpoints")
	}
	if err := f.Checkpoints.SaveCheckpoint(f.ctx, name, position); err != nil {
		f.Fatalf("save checkpoint %q: %v", name, err)
	}
}

func checkpointSaved(f *fixture) {
	for _, position := range []uint64{1, 500, 0, 1<<64 - 1, 7} {
		f.saveCheckpoint(f.key("publisher"), position)
		f.checkpoint(f.key("publisher"), position, true)
	}
	f.checkpoint(f.key("none"), 0, false)
}

func checkpointsApart(f *fixture) {
	names := []string{"p", "pp", "p\x00", "p/", "P", "ä"}
	for i, name := range names {
		f.saveCheckpoint(f.key(name), uint64(i+1))
	}
	for i, name := range names {
		f.checkpoint(f.key(name), uint64(i+1), true)
	}
	parallel(writers, func(g int) {
		name := f.key(fmt.Sprintf("parallel-%d", g))
		for n := range 20 {
			if err := f.Checkpoints.SaveCheckpoint(f.ctx, name, uint64(n)); err != nil {
				f.Errorf("save: %v", err)
			}
		}
	})
	for g := range writers {
		f.checkpoint(f.key(fmt.Sprintf("parallel-%d", g)), 19, true)
	}
}

func checkpointsReopened(f *fixture) {
	f.saveCheckpoint(f.key("publisher"), 9)
	f.reopen()
	f.checkpoint(f.key("publisher"), 9, true)
}
