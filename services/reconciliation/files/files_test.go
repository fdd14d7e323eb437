package files

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// read reads a text, a line for each row.
func read(t *testing.T, format, text string) (list []string, err error) {
	t.Helper()
	err = Read(bytes.NewReader([]byte(text)), int64(len(text)), format, func(r Row) error {
		list = append(list, said(t, r))
		return nil
	})
	return list, err
}

func said(t *testing.T, r Row) string {
	t.Helper()
	if (r.SourceRow == nil) != (r.Refused != "") {
		t.Errorf("row %d is taken and refused: %+v", r.Line, r)
	}
	if r.Refused != "" {
		return fmt.Sprintf("%d refused: %s", r.Line, r.Refused)
	}
	s := fmt.Sprintf("%d %q %q %q %d", r.Line, r.Sku, r.Location, r.Condition, r.Quantity)
	if r.Decimal != "" {
		s += " decimal " + r.Decimal
	}
	if r.Currency != "" {
		s += fmt.Sprintf(" at %d %s", r.UnitCost, r.Currency)
	}
	return s
}

// check checks that a file is read as it should be; a wanted line that ends with … is the beginning of what is said.
func check(t *testing.T, format, text string, want ...string) {
	t.Helper()
	got, err := read(t, format, text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if begin, open := strings.CutSuffix(w, "…"); g != w && !(open && strings.HasPrefix(g, begin)) {
			t.Errorf("got  %s\nwant %s", g, w)
		}
	}
}

func TestCSVIsReadLineByLine(t *testing.T) {
	check(t, CSV, "\uFEFFSKU, location ,condition,quantity,decimal,unit_cost,currency\r\n"+
		"milk,berlin,sellable,12,,99,EUR\r\n"+
		"\r\n"+
		"\"tea, \"\"green\"\"\",\"\",damaged,,5.5,,\n"+
		"ale,köln,,-3,,,",
		`2 "milk" "berlin" "sellable" 12 at 99 EUR`, `4 "tea, \"green\"" "" "damaged" 0 decimal 5.5`, `5 "ale" "köln" "" -3`)
	check(t, CSV, "quantity,sku\n0,milk\n", `2 "milk" "" "" 0`)
	check(t, CSV, "quantity,sku\n")
}

// A line that is wrong costs itself alone, and is named with the column.
func TestABadLineOfCSVIsRefusedWithItsLineAndColumn(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	check(t, CSV, "sku,location,quantity\n"+
		"milk,berlin\n"+
		"milk,berlin,1,2\n"+
		"milk,berlin,12.5\n"+
		"milk,berlin, 1\n"+
		"milk,berlin,9223372036854775808\n"+
		"milk,berlin,\n"+
		"\"milk,berlin,1\n"+
		"mi\"lk,berlin,1\n"+
		"milk,\"ber\"lin,1\n"+
		"milk,berlin,1,\"\n"+
		long+",berlin,1\n"+
		strings.Repeat("y", MaxField+1)+",berlin,1\n"+
		"mi\xfflk,berlin,1\n"+
		"last,berlin,7\n"+
		long+long,
		`2 refused: has 2 fields, line 1 names 3 columns`,
		`3 refused: has 4 fields, line 1 names 3 columns`,
		`4 refused: quantity "12.5" is no whole number`,
		`5 refused: quantity " 1" is no whole number`,
		`6 refused: quantity "9223372036854775808" is no whole number`,
		`7 refused: says no quantity`,
		`8 refused: sku begins with a quote and does not end with one on this line`,
		`9 refused: sku has a quote inside…`,
		`10 refused: location has a quote inside…`,
		`11 refused: field 4 begins with a quote…`,
		`12 refused: has more than 65536 bytes`,
		`13 refused: sku has 201 bytes, at most 200 may be`,
		`14 refused: sku "mi\xfflk" is not UTF-8`,
		`15 "last" "berlin" "" 7`,
		`16 refused: has more than 65536 bytes`)
}

func TestAFileWithoutTheColumnsOfASnapshotIsRefusedAtOnce(t *testing.T) {
	for text, problem := range map[string]string{
		"":                         "line 1 must name the columns, of sku, location,",
		"\n":                       `column "" is not one of sku, location,`,
		"sku,qty\nmilk,1\n":        `column "qty" is not one of`,
		"sku,quantity,SKU\n":       `column "sku" is not one of sku, location, condition, quantity, decimal, unit_cost, currency, or is there twice`,
		"sku,location\n":           "needs the columns sku, and quantity or decimal",
		"quantity\n1\n":            "needs the columns sku, and quantity or decimal",
		"sku;quantity\nmilk;1\n":   `column "sku;quantity" is not one of`,
		"\"sku,quantity\n":         "line 1 must name the columns",
		"\xff\xfes\x00k\x00u\x00":  `line 1: column "`,
		strings.Repeat("a", 70000): "more than 65536 bytes",
		"PAR1" + "\x00\x01\x02":    "line 1: column",
	} {
		if list, err := read(t, CSV, text); err == nil || !strings.Contains(err.Error(), problem) || len(list) > 0 {
			t.Errorf("%.40q: %v, %v, want %s", text, list, err, problem)
		}
	}
	if _, err := read(t, "xlsx", ""); !errors.Is(err, ErrFormat) {
		t.Errorf("got %v", err)
	}
}

func TestJSONLinesAreReadLineByLine(t *testing.T) {
	check(t, JSONL, "\uFEFF"+`{"sku": "milk", "location": "berlin", "quantity": "12", "unitCost": 99, "currency": "EUR"}`+"\r\n"+
		"\n  \n"+
		`{"sku": "tea \"green\"", "decimal": "5.5", "unit_cost": "0"}`+"\n"+
		`{"sku": "ale", "quantity" : 0}`,
		`1 "milk" "berlin" "" 12 at 99 EUR`, `4 "tea \"green\"" "" "" 0 decimal 5.5`, `5 "ale" "" "" 0`)
	check(t, JSONL, "")
}

func TestABadLineOfJSONIsRefusedWithItsLineAndField(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	check(t, JSONL, strings.Join([]string{
		`{"sku": "milk"}`,
		`{"sku": "quantity"}`,
		`{"sku": "\"quantity\": 1"}`,
		`{"sku": "milk", "quantity": null}`,
		`{"sku": "milk", "decimal": ""}`,
		`{"sku": "milk", "quantity": "a few"}`,
		`{"sku": "milk", "quantity": 1.5}`,
		`{"sku": "milk", "qty": 1}`,
		`{"sku": "milk", "quantity": 1, "quantity": 2}`,
		`{"sku": "milk", "quantity": 1`,
		`[1]`,
		strings.Repeat("[", 60_000),
		`{"sku": "` + long + `", "quantity": 1}`,
		`{"sku": "` + strings.Repeat("y", MaxField+1) + `", "quantity": 1}`,
		"{\"sku\": \"mi\xfflk\", \"quantity\": 1}",
		`{"sku": "last", "quantity": 7}`}, "\n"),
		`1 refused: says no quantity`,
		`2 refused: says no quantity`,
		`3 refused: says no quantity`,
		`4 refused: says no quantity`,
		`5 refused: says no quantity`,
		`6 refused: at byte 29: invalid value for int64 field quantity: "a few"`,
		`7 refused: at byte 29: invalid value for int64 field quantity: 1.5`,
		`8 refused: at byte 17: unknown field "qty"`,
		`9 refused: at byte 32: duplicate field "quantity"`,
		`10 refused: unexpected EOF`,
		`11 refused: at byte 1: …`,
		`12 refused: at byte 1: …`,
		`13 refused: has more than 65536 bytes`,
		`14 refused: sku has 201 bytes, at most 200 may be`,
		`15 refused: at byte …`,
		`16 "last" "" "" 7`)
}

// What a reader says of a line is short and can be kept, whatever the line says.
func TestWhyALineIsRefusedIsShort(t *testing.T) {
	for _, text := range []string{`{"` + strings.Repeat("é", 20_000) + `": 1}`, `{"quantity": "` + strings.Repeat("\\u00e9", 9_000) + `"}`} {
		list, err := read(t, JSONL, text)
		if err != nil || len(list) != 1 || len(list[0]) > maxReason+20 || !strings.HasSuffix(list[0], "…") {
			t.Errorf("got %d bytes, %v", len(strings.Join(list, "")), err)
		}
	}
}

// broken fails in the middle of a file.
type broken struct{ *strings.Reader }

var errBroken = errors.New("the disk is broken")

func (b broken) Read(p []byte) (int, error) {
	if b.Len() == 0 {
		return 0, errBroken
	}
	return b.Reader.Read(p)
}

func TestAFileThatCannotBeReadOnIsNamedByTheLineReached(t *testing.T) {
	for format, text := range map[string]string{CSV: "sku,quantity\nmilk,1\n", JSONL: "{\"sku\":\"milk\",\"quantity\":1}\n\n"} {
		rows := 0
		err := Read(broken{strings.NewReader(text)}, int64(len(text)), format, func(Row) error { rows++; return nil })
		if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "after line 2") || rows != 1 {
			t.Errorf("%s: %d rows, %v", format, rows, err)
		}
	}
}

// The reader stops where it is told to.
func TestAReaderStopsWhenNobodyTakesItsRows(t *testing.T) {
	enough := errors.New("enough")
	for format, text := range map[string]string{CSV: "sku,quantity\nmilk,1\ntea,2\n", JSONL: "{\"sku\":\"a\",\"quantity\":1}\n{}\n",
		Parquet: parquetFile(t, []snapshot{{SKU: "a"}, {SKU: "b"}})} {
		rows := 0
		err := Read(bytes.NewReader([]byte(text)), int64(len(text)), format, func(Row) error { rows++; return enough })
		if !errors.Is(err, enough) || rows != 1 {
			t.Errorf("%s: %d rows, %v", format, rows, err)
		}
	}
}

// A mistake of who takes the rows is not taken for one of the file.
func TestAPanicOfTheTakerIsItsOwn(t *testing.T) {
	defer func() {
		if recover() != "mine" {
			t.Error("it is not passed on")
		}
	}()
	text := parquetFile(t, []snapshot{{SKU: "a"}})
	_ = Read(bytes.NewReader([]byte(text)), int64(len(text)), Parquet, func(Row) error { panic("mine") })
}

func TestFormatsAreKnownByTheirNames(t *testing.T) {
	for name, want := range map[string]string{"a.csv": CSV, "A.CSV": CSV, "x.y.jsonl": JSONL, "a.ndjson": JSONL, "a.parquet": Parquet, "a.json": "", "csv": "", "": ""} {
		if got := FormatOf(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// snapshot is a row of an ERP's file.
type snapshot struct {
	SKU      string `parquet:"sku"`
	Location string `parquet:"location,dict"`
	Quantity int64  `parquet:"quantity"`
	UnitCost int32  `parquet:"unit_cost,optional"`
	Currency string `parquet:"currency,optional"`
}

// parquetFile is a file with row groups of 1,000 rows.
func parquetFile[T any](t *testing.T, rows []T) string {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(1_000), parquet.PageBufferSize(4<<10))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestParquetIsReadRowByRow(t *testing.T) {
	check(t, Parquet, parquetFile(t, []snapshot{{"milk", "berlin", 12, 99, "EUR"}, {"tea, green", "köln", -3, 0, ""}, {strings.Repeat("y", MaxField+1), "", 1, 0, ""},
		{"mi\xfflk", "", 1, 0, ""}}),
		`1 "milk" "berlin" "" 12 at 99 EUR`, `2 "tea, green" "köln" "" -3`, `3 refused: sku has 201 bytes, at most 200 may be`, `4 refused: sku "mi\xfflk" is not UTF-8`)
	type said struct {
		SKU      *string `parquet:"sku,optional"`
		Decimal  *string `parquet:"decimal,optional"`
		Quantity *int32  `parquet:"quantity,optional"`
	}
	sku, decimal, quantity := "milk", "5.5", int32(-4)
	check(t, Parquet, parquetFile(t, []said{{&sku, &decimal, nil}, {&sku, nil, &quantity}, {&sku, nil, nil}, {nil, nil, &quantity}}),
		`1 "milk" "" "" 0 decimal 5.5`, `2 "milk" "" "" -4`, `3 refused: says no quantity`, `4 "" "" "" -4`)
	check(t, Parquet, parquetFile[snapshot](t, nil))
}

// Many row groups and pages are read in order, each row once.
func TestALongParquetFileIsReadWhole(t *testing.T) {
	rows := make([]snapshot, 5_432)
	for i := range rows {
		rows[i] = snapshot{SKU: fmt.Sprint("sku-", i), Location: "berlin", Quantity: int64(i)}
	}
	list, err := read(t, Parquet, parquetFile(t, rows))
	if err != nil || len(list) != len(rows) {
		t.Fatalf("%d rows, %v", len(list), err)
	}
	for i, got := range list {
		if want := fmt.Sprintf(`%d "sku-%d" "berlin" "" %d`, i+1, i, i); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

func TestColumnsOfParquetAreThoseOfASnapshot(t *testing.T) {
	type text struct {
		SKU      string `parquet:"sku"`
		Quantity string `parquet:"quantity"`
	}
	type number struct {
		SKU      int64 `parquet:"sku"`
		Quantity int64 `parquet:"quantity"`
	}
	type decimal struct {
		SKU      string `parquet:"sku"`
		Quantity int64  `parquet:"quantity,decimal(2:18)"`
	}
	type unsigned struct {
		SKU      string `parquet:"sku"`
		Quantity uint64 `parquet:"quantity"`
	}
	type fraction struct {
		SKU      string  `parquet:"sku"`
		Quantity float64 `parquet:"quantity"`
	}
	type list struct {
		SKU      []string `parquet:"sku"`
		Quantity int64    `parquet:"quantity"`
	}
	type group struct {
		SKU struct {
			ID string `parquet:"id"`
		} `parquet:"sku"`
		Quantity int64 `parquet:"quantity"`
	}
	type other struct {
		SKU      string `parquet:"sku"`
		Quantity int64  `parquet:"qty"`
	}
	type short struct {
		SKU string `parquet:"sku"`
	}
	for problem, file := range map[string]string{
		"column quantity is STRING":                           parquetFile(t, make([]text, 1)),
		"column sku is an integer":                            parquetFile(t, make([]number, 1)),
		"column quantity is DECIMAL":                          parquetFile(t, make([]decimal, 1)),
		"column quantity is an unsigned integer":              parquetFile(t, make([]unsigned, 1)),
		"column quantity is DOUBLE":                           parquetFile(t, make([]fraction, 1)),
		"column sku is a list of STRING; quantity":            parquetFile(t, []list{{SKU: []string{"a", "b"}}}),
		"column sku is a group":                               parquetFile(t, make([]group, 1)),
		`column "qty" is not one of sku, location,`:           parquetFile(t, make([]other, 1)),
		"needs the columns sku, and quantity or decimal":      parquetFile(t, make([]short, 1)),
		"not a Parquet file that can be read: it does not":    "sku,quantity\nmilk,1\n",
		"not a Parquet file that can be read: it has 0 bytes": "",
	} {
		if got, err := read(t, Parquet, file); err == nil || !strings.Contains(err.Error(), problem) || len(got) > 0 {
			t.Errorf("%v, %v, want %s", got, err, problem)
		}
	}
}

// A file that was cut anywhere, or of which bytes were changed, gives rows that it has or an error, and never more rows than it had.
func TestADamagedParquetFileIsAnError(t *testing.T) {
	rows := make([]snapshot, 1_500)
	for i := range rows {
		rows[i] = snapshot{SKU: fmt.Sprint("sku-", i), Location: "berlin", Quantity: int64(i), UnitCost: 3, Currency: "EUR"}
	}
	whole := parquetFile(t, rows)
	for size := 0; size < len(whole); size += 1 + len(whole)/200 {
		if got, err := read(t, Parquet, whole[:size]); err == nil {
			t.Errorf("cut after %d bytes of %d: %d rows and no error", size, len(whole), len(got))
		}
	}
	failed := 0
	for at := 4; at < len(whole)-8; at += 13 {
		damaged := []byte(whole)
		damaged[at] ^= 0x15
		got, err := read(t, Parquet, string(damaged))
		if err != nil {
			failed++
		}
		if len(got) > len(rows) {
			t.Errorf("byte %d changed: %d rows", at, len(got))
		}
	}
	if failed == 0 {
		t.Error("no damage was noticed")
	}
}
