package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// snapshotHeader begins a snapshot of berlin, as JSON.
func snapshotHeader(t *testing.T, w *servicetest.World, document string) string {
	t.Helper()
	text, err := protojson.Marshal(&pb.SnapshotHeader{Source: "erp", Document: document, AsOf: codec.Timestamp(w.Now().Add(-time.Second)), Location: "berlin"})
	if err != nil {
		t.Fatal(err)
	}
	return `{"header": ` + string(text)
}

// A call that takes a stream of messages takes them by REST in one body, as objects one behind the other, and ends with the body.
func TestASnapshotComesByREST(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	w.Count("milk", 10)
	many := strings.Builder{}
	many.WriteString(snapshotHeader(t, w, "many") + "}\n")
	for i := range 60 { // more than one message may have, together
		many.WriteString(`{"rows": [` + strings.TrimSuffix(strings.Repeat(fmt.Sprintf(`{"sku": "sku-%d", "location": "berlin", "condition": "sellable", "decimal": "0"},`, i), 1_000), ",") + "]}\n")
	}
	if many.Len() <= 4<<20 {
		t.Fatalf("%d bytes are too few", many.Len())
	}
	for body, want := range map[string]int64{
		snapshotHeader(t, w, "one") + `, "rows": [{"sku": "milk", "quantity": 7}, {"sku": "ale"}]}`:                    2,
		snapshotHeader(t, w, "three") + "}\n{\"rows\": [{\"sku\": \"milk\"}]}\n{\"rows\":\n [{\"sku\": \"ale\"}]}\n\n": 2,
		snapshotHeader(t, w, "none") + `}`: 0,
		many.String():                      60_000,
	} {
		var answer pb.StartRunResponse
		got := rest(t, w, http.MethodPost, "/v1/reconciliations", body)
		if got.into(t, &answer); got.StatusCode != http.StatusOK || answer.Run.GetRows() != want || answer.Run.CompletedAt == nil {
			t.Errorf("%.80s: %d %.500s", body, got.StatusCode, got.body)
		}
	}
}

func TestWhatIsWrongWithAStreamedBodyIsNamed(t *testing.T) {
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	begin := snapshotHeader(t, w, "bad") + "}\n"
	for body, want := range map[string]struct {
		code int
		text string
	}{
		"":                      {http.StatusBadRequest, "header"},
		begin + "{\"row\": []}": {http.StatusBadRequest, "row"},
		begin + "{\"rows\": [":  {http.StatusBadRequest, "one behind the other"},
		begin + "rows":          {http.StatusBadRequest, "one behind the other"},
		begin + `["rows"]`:      {http.StatusBadRequest, "unexpected token"},
		begin + begin:           {http.StatusBadRequest, "in the first message"},
		`{"rows": []}`:          {http.StatusBadRequest, "in the first message"},
		begin + `{"rows": [{"sku": "` + strings.Repeat("x", 5<<20) + `"}]}`: {http.StatusRequestEntityTooLarge, "more than 4194304 bytes"},
	} {
		if got := rest(t, w, http.MethodPost, "/v1/reconciliations", body); got.StatusCode != want.code || !strings.Contains(got.body, want.text) {
			t.Errorf("%.120q: %d %.500s, want %s", body, got.StatusCode, got.body, want.text)
		}
	}
}
