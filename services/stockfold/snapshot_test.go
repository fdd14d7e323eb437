package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

const newYear = "2017-01-01T00:00:00Z"

// A shell gets the past in every form, the same bytes each time, with what it was built from.
func TestFinanceAsksFromAShell(t *testing.T) {
	t.Parallel()
	c := client{t, startNode(t, testConfig(t))}
	c.call("PolicyService/PutLocation", `{"location": {"location_id": "dc"}}`)
	c.call("StockService/RecordMovements", `{"movements": [
		{"movement_id": "1", "source": "wms", "sku": "tea, green", "location": "dc", "quantity": 10, "occurred_at": "2016-12-01T00:00:00Z", "received": {"unit_cost": 249, "currency": "EUR"}},
		{"movement_id": "2", "source": "wms", "sku": "tea, green", "location": "dc", "quantity": 3, "occurred_at": "2017-01-02T00:00:00Z", "sold": {}}]}`)
	const csv = "sku,location,condition,department,unit,decimals,on_hand,reserved,in_transit,incoming,currency,value,in_transit_value,uncosted\n" +
		"\"tea, green\",dc,,,each,0,10,0,0,0,EUR,2490,0,0\n"
	if out, told, code := c.run("snapshot", "--at", newYear); code != 0 || out != csv || !strings.Contains(told, "1 events, 1 rows, sha256 ") {
		t.Errorf("exit code %d\n%s%s", code, out, told)
	}
	if out, told, _ := c.run("snapshot", "--at", newYear, "--format", "jsonl"); !strings.HasPrefix(out, `{"sku":"tea, green","location":"dc"`) {
		t.Errorf("%s%s", out, told)
	}
	if out, told, _ := c.run("snapshot", "--at", newYear, "--axis", "recorded"); strings.Count(out, "\n") != 1 || !strings.Contains(told, "for ever") {
		t.Errorf("nothing was known in %s: %s%s", newYear, out, told)
	}
	c.parquet()
	out, told, code := c.run("rollforward", "--from", newYear, "--to", "2017-02-01T00:00:00Z")
	if code != 0 || !strings.Contains(out, "\"tea, green\",dc,,each,0,EUR,10,2490,0,0,3,747,0,0,0,0,0,0,7,1743\n") ||
		!strings.Contains(told, "opening 10 (2490) + received 0 (0) - sold 3 (747) + returned 0 (0) + adjusted 0 (0) + transferred 0 (0) = closing 7 (1743)") {
		t.Errorf("exit code %d\n%s%s", code, out, told)
	}
	out, told, code = c.run("rollforward", "--from", newYear, "--to", "2017-02-01T00:00:00Z", "--sku", "tea, green", "--trace")
	if code != 0 || !strings.Contains(out, "2017-01-02T00:00:00Z,dc,sold,-3,-747,StockSold,2,") {
		t.Errorf("exit code %d\n%s%s", code, out, told)
	}
}

// parquet writes a file twice and reads it.
func (c client) parquet() {
	c.t.Helper()
	var files [2][]byte
	for i := range files {
		name := filepath.Join(c.t.TempDir(), "snapshot.parquet")
		if out, told, code := c.run("snapshot", "--at", newYear, "--format", "parquet", "--out", name); code != 0 {
			c.t.Fatalf("exit code %d\n%s%s", code, out, told)
		}
		var err error
		if files[i], err = os.ReadFile(name); err != nil {
			c.t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		c.t.Error("the same rows gave other bytes")
	}
	got, err := parquet.Read[fileRow](bytes.NewReader(files[0]), int64(len(files[0])))
	if err != nil || len(got) != 1 || got[0].SKU != "tea, green" || got[0].Value != 2490 {
		c.t.Errorf("%+v, %v", got, err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(files[0]), int64(len(files[0])))
	if err != nil {
		c.t.Fatal(err)
	}
	if events, ok := file.Lookup("stockfold.events"); !ok || events != "1" {
		c.t.Errorf("metadata says %q events", events)
	}
}

// An answer that does not come leaves what was there, and nothing half written beside it.
func TestAnAnswerIsWrittenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "q1.csv")
	if err := os.WriteFile(name, []byte("the one before"), 0o600); err != nil {
		t.Fatal(err)
	}
	half := func(out io.Writer) error {
		_, err := io.WriteString(out, "half of")
		return errors.Join(err, errors.New("cut off"))
	}
	if err := writeWhole(name, nil, half); err == nil {
		t.Error("no error")
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "the one before" {
		t.Errorf("%q, %v", text, err)
	}
	if err := writeWhole(name, nil, func(out io.Writer) error { _, err := io.WriteString(out, "a whole one"); return err }); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "a whole one" {
		t.Errorf("%q, %v", text, err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("left over: %v, %v", list, err)
	}
}

// Documents and locations are anybody's texts: a program reads them back as they are.
func TestStepsAreCSV(t *testing.T) {
	t.Parallel()
	want := &pb.RollForwardStep{Location: "a, \"b\"", Document: "r\n1\t", Change: &pb.StockAmount{Units: -3}}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(stepFields(want)); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	got, err := csv.NewReader(&b).Read()
	if err != nil || len(got) != len(stepColumns) || got[1] != want.Location || got[9] != want.Document || got[3] != "-3" {
		t.Errorf("%q, %v", got, err)
	}
}

// Questions about the past that cannot be answered say what is wrong with them, and print nothing that looks like the beginning of an answer.
func TestWrongQuestionsAboutThePastAreExplained(t *testing.T) {
	t.Parallel()
	nowhere := freeAddresses(t, 1)[0]
	march := []string{"rollforward", "--from", newYear, "--to", "2017-03-01T00:00:00Z"}
	for _, x := range []struct {
		want string
		code int
		args []string
	}{
		{`"2017-01-10" is no instant with its offset from UTC, such as 2017-03-31T23:59:59-05:00`, 2, []string{"snapshot", "--at", "2017-01-10"}},
		{"stockfold snapshot --help says more", 2, []string{"snapshot"}},
		{"stockfold audit head --help says more", 2, []string{"audit", "head", "--exprot", "x"}},
		{"stockfold --help says more", 2, []string{"snapshto"}},
		{"--to must not be before --from", 1, []string{"rollforward", "--from", newYear, "--to", "2016-12-31T23:59:59Z"}},
		{"name it with --sku", 1, append(march, "--trace")},
		{"give one of them", 1, append(march, "--trace", "--total", "--sku", "tea")},
		{"no service answers at " + nowhere, 1, append(march, "--grpc", nowhere)},
		{"STOCKFOLD_GRPC", 1, []string{"trace", "x", "--grpc", nowhere}},
	} {
		var out, trouble strings.Builder
		if code := run(t.Context(), x.args, streams{&out, &trouble}); code != x.code || !strings.Contains(trouble.String(), x.want) || out.Len() > 0 {
			t.Errorf("%s: exit code %d\n%s%s", x.args, code, out.String(), trouble.String())
		}
	}
}
