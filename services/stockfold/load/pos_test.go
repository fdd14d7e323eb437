package load

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const header = "ts,store_id,basket_id,product_id,quantity\n"

func file(text string) File { return Bytes("pos.csv", []byte(text)) }

// baskets reads a whole file as text, one basket a line.
func baskets(t *testing.T, f File) ([]string, error) {
	t.Helper()
	pos, err := OpenPOS(f)
	if err != nil {
		return nil, err
	}
	defer pos.Close()
	var all []string
	for {
		b, err := pos.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, fmt.Sprintf("%d %s %s %v", b.At.Unix(), b.Store, b.ID, b.Lines))
	}
}

func TestLinesOfOneTransactionMakeOneBasket(t *testing.T) {
	text := header +
		"2017-01-02T10:00:00Z,1,b1,milk,2\n" +
		"2017-01-02T10:00:00Z,1,b1,eggs,0\n" +
		"2017-01-02T10:00:00Z,2,b1,milk,1\n" + // another store
		"2017-01-02T11:00:00Z,2,b2,milk,-1\n" // brought back
	want := []string{
		"1483351200 1 b1 [{milk 2} {eggs 0}]",
		"1483351200 2 b1 [{milk 1}]",
		"1483354800 2 b2 [{milk -1}]",
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, text)
	z.Close()
	onDisk := filepath.Join(t.TempDir(), "pos.csv")
	if err := os.WriteFile(onDisk, []byte(strings.ReplaceAll(text, "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]File{"plain": file(text), "gzip": Bytes("pos.csv.gz", zipped.Bytes()), "disk, CRLF": Disk(onDisk)} {
		got, err := baskets(t, f)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s:\n got %v, %v\nwant %v", name, got, err, want)
		}
	}
}

func TestColumnsMayStandInAnyOrder(t *testing.T) {
	text := "\ufeffquantity,till,product_id,basket_id,store_id,ts\n7,till 1,\"a,b\",b1,1,2017-01-02T10:00:00Z\n"
	got, err := baskets(t, file(text))
	if want := "[1483351200 1 b1 [{a,b 7}]]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v; want %s", got, err, want)
	}
}

func TestBadLinesAreNamed(t *testing.T) {
	good := "2017-01-02T10:00:00Z,1,b1,milk,2\n"
	for name, c := range map[string]struct{ text, problem string }{
		"empty":          {"", "line 1: the file is empty"},
		"no column":      {"ts,store_id,basket_id,product_id\n", `line 1: there is no column "quantity"`},
		"no lines":       {header, "line 1: there are no lines"},
		"too few fields": {header + good + "2017-01-02T10:00:00Z,1,b1,milk\n", "line 3: has 4 fields, the header has 5"},
		"bad time":       {header + "02.01.2017,1,b1,milk,2\n", `line 2: ts "02.01.2017" must be a time`},
		"unsorted":       {header + good + "2017-01-02T09:59:59Z,1,b2,milk,2\n", "line 3: ts 2017-01-02T09:59:59Z is before"},
		"not a number":   {header + good + "2017-01-02T10:00:00Z,1,b1,eggs,two\n", `line 3: quantity "two" must be a whole number`},
		"fraction":       {header + "2017-01-02T10:00:00Z,1,b1,milk,1.5\n", `line 2: quantity "1.5" must be a whole number`},
		"too large":      {header + "2017-01-02T10:00:00Z,1,b1,milk,1000000000000001\n", "line 2: quantity 1000000000000001 must be at most 1000000000000000"},
		"no SKU":         {header + "2017-01-02T10:00:00Z,1,b1,,1\n", "line 2: product_id must be 1-100 bytes, is empty"},
		"long store":     {header + "2017-01-02T10:00:00Z," + strings.Repeat("x", 97) + ",b1,milk,1\n", "line 2: store_id must be at most 96 bytes"},
		"quotes":         {header + "2017-01-02T10:00:00Z,1,b1,\"milk,1\n", "line 2: the quotation marks do not match"},
		"long line":      {header + strings.Repeat("x", maxLineBytes+1) + "\n", "line 2: is longer than 65536 bytes"},
		"basket twice": {header + good + "2017-01-02T10:00:00Z,1,b2,milk,2\n2017-01-02T10:00:01Z,1,b1,milk,2\n",
			"basket b1 of store 1 ended before this line"},
		"cut short": {string(cutGzip()), "cannot be read: unexpected EOF"},
		"basket of 1,001 lines": {header + strings.Repeat(good, maxBasketLines+1),
			"line 1002: basket b1 has more than 1000 lines"},
	} {
		_, err := TakeSurvey(context.Background(), file(c.text))
		var line *LineError
		if !errors.As(err, &line) || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: got %v, want a LineError with %q", name, err, c.problem)
		}
	}
}

// cutGzip is a compressed file of which the end is missing.
func cutGzip() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for i := range 1000 {
		fmt.Fprintf(z, "%s2017-01-02T10:00:00Z,1,b%d,milk,2\n", header[:min(len(header), max(0, 1-i)*len(header))], i)
	}
	z.Close()
	return b.Bytes()[:b.Len()/2]
}

func TestMissingFileIsNamed(t *testing.T) {
	_, err := TakeSurvey(context.Background(), Disk("/nowhere/pos.csv"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/nowhere/pos.csv") {
		t.Errorf("got %v", err)
	}
}

func TestSurveySumsUp(t *testing.T) {
	s, err := TakeSurvey(context.Background(), file(header+
		"2017-01-02T10:00:00Z,1,b1,milk,2\n"+
		"2017-01-02T10:00:00Z,1,b1,milk,3\n"+
		"2017-01-02T11:00:00Z,2,b2,milk,4\n"+
		"2017-01-02T12:00:00Z,2,b3,eggs,0\n"+
		"2017-01-02T13:00:00Z,2,b4,milk,-1\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.Lines, s.ZeroLines, s.Baskets, s.First.Hour(), s.Stores, s.SKUs)
	if want := "5 1 4 10 [{2 3} {1 2}] [{milk [{2 3} {1 5}]} {eggs [{2 0}]}]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSurveyEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var text strings.Builder
	text.WriteString(header)
	for i := range checkEvery + 1 {
		fmt.Fprintf(&text, "2017-01-02T10:00:00Z,1,b%d,milk,2\n", i)
	}
	if _, err := TakeSurvey(ctx, file(text.String())); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
