package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

func TestPebbleAloneScansAllThatIsStored(t *testing.T) {
	dir := t.TempDir()
	append, closing, err := openAlone(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(append(t.Context()), append(t.Context()), closing()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scanAlone(t.Context(), dir)
	if err != nil || s.keys != 4*bulkSize || s.bytes != 2*bulkSize*(9+bulkEvent+bulkIndex) || s.took <= 0 {
		t.Errorf("%+v (%v)", s, err)
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("%v became %v (%v)", before, after, err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if s, err := scanAlone(stopped, dir); err == nil && s.keys >= scanChecked {
		t.Error("it went on")
	}
}

func TestNothingToScanIsAnError(t *testing.T) {
	dir := t.TempDir()
	if _, err := scanAlone(t.Context(), filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a store that is not there was scanned")
	}
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scanAlone(t.Context(), dir); err == nil {
		t.Error("a store that is open was scanned")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := scanAlone(t.Context(), dir); !errors.Is(err, ErrWrong) {
		t.Errorf("an empty store: %v", err)
	}
}

func TestARateOfAScan(t *testing.T) {
	if got := (scan{took: 500 * time.Millisecond}).rate(100); got != 200 {
		t.Error(got)
	}
	if got := (scan{}).rate(100); got != 0 {
		t.Error(got)
	}
}
