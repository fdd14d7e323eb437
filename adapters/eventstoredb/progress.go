package eventstoredb

import (
	"context"
	"fmt"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/ingest"
)

// progressDocument is how far a partition has come, as it is stored. Numbers are text: not every reader of JSON keeps 64 bits.
type progressDocument struct {
	Next          int64  `json:"next,string"`
	Epoch         int64  `json:"epoch,string"`
	LogID         string `json:"logId,omitempty"` // written by escape
	SavedAt       int64  `json:"savedAtMicros,string"`
	AppliedBelow  int64  `json:"appliedBelow,string"`
	AppliedBefore int64  `json:"appliedBeforeMicros,string"`
	Numbers       []byte `json:"numbers,omitempty"`
}

func offsetStream(topic string, partition int32) string {
	return fmt.Sprintf("%s%d-%s", progressPrefix, partition, escape(topic))
}

// SaveOffset is ingest.Offsets'.
func (s *Store) SaveOffset(ctx context.Context, topic string, partition int32, p ingest.Progress) error {
	if err := checkName("topic", topic); err != nil {
		return err
	}
	return s.fillJSON(ctx, fmt.Sprintf("save the progress of %s/%d", topic, partition), offsetStream(topic, partition), "ProgressSaved", progressDocument{
		Next: p.Next, Epoch: p.Epoch, LogID: escape(p.LogID), SavedAt: int64(p.SavedAt), AppliedBelow: p.AppliedBelow, AppliedBefore: int64(p.AppliedBefore),
		Numbers: []byte(p.Numbers)})
}

// LoadOffset is ingest.Offsets'.
func (s *Store) LoadOffset(ctx context.Context, topic string, partition int32) (p ingest.Progress, ok bool, err error) {
	var d progressDocument
	ok, err = s.lookJSON(ctx, fmt.Sprintf("load the progress of %s/%d", topic, partition), offsetStream(topic, partition), &d)
	if !ok {
		return p, false, err
	}
	return ingest.Progress{Next: d.Next, Epoch: d.Epoch, LogID: unescape(d.LogID), SavedAt: aggregates.Instant(d.SavedAt),
		AppliedBelow: d.AppliedBelow, AppliedBefore: aggregates.Instant(d.AppliedBefore),
		Numbers: string(d.Numbers)}, true, nil
}

// checkpointDocument is how far a process has come, as it is stored.
type checkpointDocument struct {
	Position uint64 `json:"position,string"`
}

// SaveCheckpoint is projections.Checkpoints'.
func (s *Store) SaveCheckpoint(ctx context.Context, name string, position uint64) error {
	if err := checkName("name of the checkpoint", name); err != nil {
		return err
	}
	return s.fillJSON(ctx, fmt.Sprintf("save checkpoint %q", name), checkpointPrefix+escape(name), "CheckpointSaved", checkpointDocument{position})
}

// LoadCheckpoint is projections.Checkpoints'.
func (s *Store) LoadCheckpoint(ctx context.Context, name string) (position uint64, ok bool, err error) {
	var d checkpointDocument
	ok, err = s.lookJSON(ctx, fmt.Sprintf("load checkpoint %q", name), checkpointPrefix+escape(name), &d)
	return d.Position, ok, err
}
