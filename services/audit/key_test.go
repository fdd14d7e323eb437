package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stockfold/stockfold/aggregates"
	projection "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/services/audit"
)

func newKey(t *testing.T) (*audit.Key, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "audit.key")
	key, err := audit.ReadKey(file, "STORE", true)
	if err != nil {
		t.Fatal(err)
	}
	return key, file
}

func TestAKeyIsMadeOnceAndReadByItsOwnerOnly(t *testing.T) {
	key, file := newKey(t)
	again, err := audit.ReadKey(file, "OTHER", true)
	if err != nil || again.String() != key.String() || !strings.HasPrefix(key.String(), "stockfold/STORE+") {
		t.Errorf("%v is read as %v, %v", key, again, err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := audit.ReadKey(file+"x", "STORE", false); err == nil {
		t.Error("a key was made that nobody asked for")
	}
}

// Of many processes that start at once one makes the key, and none meets half of it.
func TestAKeyIsMadeOnceByMany(t *testing.T) {
	for range 20 {
		dir := t.TempDir()
		file := filepath.Join(dir, "audit.key")
		var keys [16]*audit.Key
		var errs [16]error
		var all sync.WaitGroup
		for i := range keys {
			all.Go(func() { keys[i], errs[i] = audit.ReadKey(file, "STORE", true) })
		}
		all.Wait()
		for i := range keys {
			if errs[i] != nil || keys[i].String() != keys[0].String() {
				t.Fatalf("process %d: %v, %v", i, keys[i], errs[i])
			}
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Fatalf("left over: %v, %v", list, err)
		}
	}
}

// What is wrong with a key is said without it.
func TestKeysAreNotTold(t *testing.T) {
	key, file := newKey(t)
	text, _ := os.ReadFile(file)
	secret, verifier, _ := strings.Cut(string(text), "\n")
	other, _ := newKey(t)
	for _, bad := range []string{"", secret, secret + "\n" + other.String(), verifier, secret + "x\n" + verifier, strings.Repeat("x", 5000)} {
		if _, err := audit.ParseKey(bad); err == nil || strings.Contains(err.Error(), secret[len(secret)-20:]) {
			t.Errorf("got %v", err)
		}
	}
	if strings.Contains(key.String(), "PRIVATE") {
		t.Error("the text of a key says its secret")
	}
}

func TestAHeadIsWhatWasSigned(t *testing.T) {
	key, _ := newKey(t)
	tree := projection.Head{Size: 7, Position: 9}
	tree.Root[3] = 5
	h, err := key.Sign("STORE", tree, aggregates.Instant(1_767_268_800_000_000))
	if err != nil {
		t.Fatal(err)
	}
	got, err := audit.OpenHead(h.Note, key.String())
	if err != nil || got != h {
		t.Errorf("got %+v, %v; signed %+v", got, err, h)
	}
	if !strings.HasPrefix(h.Note, "stockfold/STORE\n7\nAAAABQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nposition 9\nsigned 2026-01-01T12:00:00Z\n\n— stockfold/STORE ") {
		t.Errorf("the note is\n%s", h.Note)
	}
	other, _ := newKey(t)
	for i := range len(h.Note) {
		b := []byte(h.Note)
		b[i] ^= 1
		if x, err := audit.OpenHead(string(b), key.String()); err == nil && x.Head != h.Head {
			t.Fatalf("byte %d was changed: %+v", i, x)
		}
	}
	if _, err := audit.OpenHead(h.Note, other.String()); err == nil {
		t.Error("a head was taken that another key signed")
	}
}
