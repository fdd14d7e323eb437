package views_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/pebble/views"
)

// How far a self-check has come is there after a start, beside everything else, and a reset or an exchange of the documents leaves it.
func TestThePlaceOfTheSelfCheckIsKept(t *testing.T) {
	fs := vfs.NewMem()
	db := open(t, fs, views.Options{})
	want := func(sku string, position uint64) {
		t.Helper()
		if s, p, err := db.SelfCheckPlace().Load(t.Context()); s != sku || p != position || err != nil {
			t.Errorf("got %q, %d, %v; want %q, %d", s, p, err, sku, position)
		}
	}
	want("", 0)
	for i, sku := range []string{"milk", "", "\xff\x00/", "tea"} {
		if err := db.SelfCheckPlace().Save(t.Context(), sku, uint64(i)); err != nil {
			t.Fatal(err)
		}
		want(sku, uint64(i))
	}
	write(t, db, 7, "milk")
	if err := db.Availability().Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("tea", 3)
	if err := beside(t, db, 700, shelf(0, 3)).Exchange(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("tea", 3)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, fs, views.Options{})
	want("tea", 3)
}
