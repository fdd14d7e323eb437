package pebble

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestSecondOpenOfADirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = Open(dir, Options{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want ErrInUse with the directory", err)
	}
	mustAppend(t, s, "sku-a", 0, 1)
	mem := vfs.NewMem()
	openOn(t, mem)
	if _, err := Open("events", Options{FS: mem}); !errors.Is(err, ErrInUse) {
		t.Errorf("in memory: %v, want ErrInUse", err)
	}
}

// TestAnotherProcessIsRefused runs this test's binary again, which tries to open the same directory.
func TestAnotherProcessIsRefused(t *testing.T) {
	if dir := os.Getenv("STOCKFOLD_TEST_OPEN"); dir != "" {
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
			t.Fatalf("got %v, want ErrInUse", err)
		}
		return
	}
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	second := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAnotherProcessIsRefused$", "-test.v")
	second.Env = append(os.Environ(), "STOCKFOLD_TEST_OPEN="+dir)
	if out, err := second.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestAnotherProcessIsRefused") {
		t.Errorf("%v\n%s", err, out)
	}
	mustAppend(t, s, "sku-a", 0, 1)
}

func TestDirectoryThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(file, "events"), Options{})
	if err == nil || errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v, want an error that names the directory", err)
	}
}

func TestIdentityStaysAndIsItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for range 5 {
		disk := vfs.NewCrashableMem()
		s, err := Open("events", Options{FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		id := s.ID()
		if len(id) < 20 || seen[id] {
			t.Errorf("id %q is short or was seen before", id)
		}
		seen[id] = true
		again := openOn(t, disk.CrashClone(vfs.CrashCloneCfg{}))
		if again.ID() != id {
			t.Errorf("after a crash the id is %q, before it was %q", again.ID(), id)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEventsWithoutIdentityAreRefused(t *testing.T) {
	disk := vfs.NewMem()
	s, err := Open("events", Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, "sku-a", 0, 1)
	if err := firstError(s.db.Delete(identityKey, nil), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("events", Options{FS: disk}); err == nil || !strings.Contains(err.Error(), "identity") {
		t.Errorf("got %v, want an error about the identity", err)
	}
	// The refused store has let go of the directory.
	if _, err := Open("events", Options{FS: disk}); errors.Is(err, ErrInUse) {
		t.Error(err)
	}
}
