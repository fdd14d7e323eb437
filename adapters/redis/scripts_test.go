package redis

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/stockfold/stockfold/adapters/redis/redistest"
)

// An answer may be lost, and the client then runs a script again: that changes nothing. Between the
// two runs the server may have forgotten the script.
func TestAScriptMayRunTwice(t *testing.T) {
	server := redistest.Start(t)
	db, err := Open(URL("redis://"+server.Addr()), Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	contents := func() (all string) {
		for _, key := range []string{"hash", "fields", "progress"} {
			all += fmt.Sprintln(db.client.HGetAll(t.Context(), key).Val())
		}
		return all + db.client.Get(t.Context(), "document").Val()
	}
	for _, e := range []*eval{
		{script: writeDocument, keys: []string{"hash", "document"}, args: []any{"9", "3", "old", "ats:web", "1", "ats:app", "2"}},
		{script: writeDocument, keys: []string{"hash", "document"}, args: []any{"10", "3", "bytes", "ats:web", "5"}},
		{script: writeField, keys: []string{"fields"}, args: []any{"id", "99", "contents"}},
		{script: writeField, keys: []string{"fields"}, args: []any{"id", "100", "contents"}},
		{script: writeField, keys: []string{"fields"}, args: []any{"id", "100"}},
		{script: enter, keys: []string{"progress"}, args: []any{"origin", "process", "-1", 1, maxMarks}},
		{script: advance, keys: []string{"progress"}, args: []any{"process", 1, 2, "18446744073709551615", "7", "stored"}},
	} {
		var answer, after string
		for run := range 2 {
			if err := db.runScripts(t.Context(), []*eval{e}); err != nil {
				t.Fatal(err)
			}
			got, _ := e.answer.Result()
			if run == 1 && contents() != after {
				t.Errorf("%s changes something again:\n%s\nwas\n%s", e.script.name, contents(), after)
			}
			if run == 1 && fmt.Sprint(got) != answer && e.script != writeDocument { // which tells whether it wrote; nobody asks
				t.Errorf("%s answers %v, was %s", e.script.name, got, answer)
			}
			answer, after = fmt.Sprint(got), contents()
			server.Do("SCRIPT", "FLUSH")
		}
	}
	if got := contents(); got != "map[ats:web:5 policies:3 position:10]\nmap[]\nmap[origin:origin own:7 position:18446744073709551615 progress:stored w:process:2]\nbytes" {
		t.Errorf("got %q", got)
	}
}
