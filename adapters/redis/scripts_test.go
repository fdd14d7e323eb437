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
		for _, key := range []string{"hash", "fields", "progress", "later hash", "built"} {
			all += fmt.Sprintln(db.client.HGetAll(t.Context(), key).Val())
		}
		return all + db.client.Get(t.Context(), "document").Val() + "\n" + db.client.Get(t.Context(), "later document").Val()
	}
	tells := map[*script]bool{writeDocument: true, writeGeneration: true, dropStray: true, settled: true} // whether they wrote; nobody asks
	for _, e := range []*eval{
		{script: writeDocument, keys: []string{"hash", "document"}, args: []any{"9", "3", "old", "ats:web", "1", "ats:app", "2"}},
		{script: writeDocument, keys: []string{"hash", "document"}, args: []any{"10", "3", "bytes", "ats:web", "5"}},
		{script: writeField, keys: []string{"fields"}, args: []any{"id", "99", "contents"}},
		{script: writeField, keys: []string{"fields"}, args: []any{"id", "100", "contents"}},
		{script: writeField, keys: []string{"fields"}, args: []any{"id", "100"}},
		{script: enter, keys: []string{"progress"}, args: []any{"origin", "process", "-1", 1, maxMarks, "0"}},
		{script: advance, keys: []string{"progress"}, args: []any{"process", 1, 2, "18446744073709551615", "7", "stored"}},
		{script: writeGeneration, keys: []string{"later document"}, args: []any{"2", "9", "3", "old", "ats:web", "1"}},
		{script: writeGeneration, keys: []string{"later document", "later hash"}, args: []any{"2", "10", "3", "later", "ats:web", "1"}},
		{script: dropStray, keys: []string{"hash", "no document"}, args: []any{"2"}},
		{script: enter, keys: []string{"built"}, args: []any{"origin 2", "builder", "-1", 1, maxMarks, "0"}},
		{script: advance, keys: []string{"built"}, args: []any{"builder", 1, 2, "100", "7", "built"}},
		{script: exchange, keys: []string{"progress", "built"}, args: []any{"0", "2", "origin", "origin 2", "builder", 2}},
		{script: settled, keys: []string{"progress"}, args: []any{"2"}},
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
			if run == 1 && fmt.Sprint(got) != answer && !tells[e.script] {
				t.Errorf("%s answers %v, was %s", e.script.name, got, answer)
			}
			answer, after = fmt.Sprint(got), contents()
			server.Do("SCRIPT", "FLUSH")
		}
	}
	want := "map[]\nmap[]\nmap[generation:2 origin:origin 2 own:7 position:100 progress:built]\n" +
		"map[ats:web:1 generation:2 policies:3 position:10]\nmap[]\nbytes\n10 3 later"
	if got := contents(); got != want {
		t.Errorf("got %q", got)
	}
}
