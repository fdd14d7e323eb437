package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

// answer is an HTTP answer with its body.
type answer struct {
	*http.Response
	body string
}

// rest sends a request. The path is sent as it is.
func rest(t testing.TB, w *servicetest.World, method, path, body string, headers ...string) answer {
	t.Helper()
	return restAs(t, w, "", method, path, body, headers...)
}

// restAs sends a request to the service under a name.
func restAs(t testing.TB, w *servicetest.World, host, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{got, string(text)}
}

// into reads an answer as a message.
func (a answer) into(t testing.TB, m proto.Message) {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	if err := protojson.Unmarshal([]byte(a.body), m); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// refusal reads an answer as an error of the contract.
func (a answer) refusal(t testing.TB, code int) error {
	t.Helper()
	var s rpcstatus.Status
	if err := protojson.Unmarshal([]byte(a.body), &s); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if a.StatusCode != code || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("HTTP %d of %s: %s; want %d", a.StatusCode, a.Header.Get("Content-Type"), a.body, code)
	}
	return status.FromProto(&s).Err()
}

func shop(t testing.TB) *servicetest.World {
	t.Helper()
	w := servicetest.Start(t, servicetest.Options{})
	w.Shop()
	return w
}

// awkward ids: whatever is printable must work everywhere.
var awkward = []string{
	"plain", "with space", " leading", "trailing ", "a/b", "/", "//", "/a/", "a%2Fb", "%", "%%", "%2f", "%zz", "100%", "a+b", "+", "a?b", "?", "a#b", "#",
	"a&b=c", "a;b", ":", "::", "a:b", "x:confirm", "x:release", "x:watch", ":confirm", "availability:watch", ".", "..", "...", "a/../b", "./a",
	"кофе", "珈琲", "café", "ﬀ", "☕", "a\"b", "a\\b", "a'b", "<a>", "{sku}", "{}", "[a]", "a|b", "^`~", "a,b", "a=b", "@", "$1", "*", "!", "(a)", "null",
	strings.Repeat("x", 100), strings.Repeat("ж", 50),
}

func TestAnyPrintableIDWorksOnEveryRouteWithAPath(t *testing.T) {
	w := shop(t)
	for _, id := range awkward {
		path := url.PathEscape(id)
		t.Run(id, func(t *testing.T) {
			var item pb.PutItemResponse
			rest(t, w, "PUT", "/v1/items/"+path+"?actor=ann", `{"name":"n"}`).into(t, &item)
			if item.Item.Sku != id || item.Item.Name != "n" {
				t.Errorf("put item %v", &item)
			}
			rest(t, w, "PUT", "/v1/locations/"+path, `{}`).into(t, &pb.PutLocationResponse{})
			sourcing, _ := json.Marshal(map[string]any{"sourcing": []string{id, "berlin"}, "channelId": id})
			rest(t, w, "PUT", "/v1/channels/"+path, string(sourcing)).into(t, &pb.PutChannelResponse{})
			token := w.Count(id, 10)

			var gotItem pb.GetItemResponse
			rest(t, w, "GET", "/v1/items/"+path+"?token="+token, "").into(t, &gotItem)
			var gotLocation pb.GetLocationResponse
			rest(t, w, "GET", "/v1/locations/"+path, "").into(t, &gotLocation)
			var gotChannel pb.GetChannelResponse
			rest(t, w, "GET", "/v1/channels/"+path, "").into(t, &gotChannel)
			if gotItem.Item.Sku != id || gotLocation.Location.LocationId != id || gotChannel.Channel.ChannelId != id || gotChannel.Channel.Sourcing[0] != id {
				t.Errorf("got %v, %v, %v", &gotItem, &gotLocation, &gotChannel)
			}
			var ats pb.GetAvailabilityResponse
			rest(t, w, "GET", "/v1/availability/"+path+"?channel="+url.QueryEscape(id)+"&token="+token, "").into(t, &ats)
			if ats.Availability.Sku != id || ats.Availability.Channel != id || ats.Availability.Ats != 10 {
				t.Errorf("availability %v", &ats)
			}
			var stock pb.GetStockResponse
			rest(t, w, "GET", "/v1/stock/"+path, "").into(t, &stock)
			var events pb.ListEventsResponse
			rest(t, w, "GET", "/v1/history/"+path, "").into(t, &events)
			if stock.Stock.Sku != id || len(events.Events) != 2 || events.Events[0].Stream != "sku-"+id {
				t.Errorf("stock %v, history %v", &stock, &events)
			}
			reservationsOf(t, w, id, path)

			for verb, body := range map[string]string{":replay": `{}`, ":discard": `{"reason":"r"}`} {
				err := rest(t, w, "POST", "/v1/dead-letters/"+path+verb, body).refusal(t, 404)
				servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_DEAD_LETTER")
			}
		})
	}
}

// reservationsOf takes reservations with an awkward id through every route.
func reservationsOf(t *testing.T, w *servicetest.World, id, path string) {
	t.Helper()
	reserve, err := json.Marshal(map[string]any{"reservationId": id, "sku": id, "channel": id, "quantity": "5"})
	if err != nil {
		t.Fatal(err)
	}
	var placed pb.ReserveResponse
	rest(t, w, "POST", "/v1/reservations", string(reserve)).into(t, &placed)
	for _, step := range []struct {
		verb, body string
		want       string
	}{
		{":extend", `{"holdSeconds":"60"}`, "id 5 RESERVATION_STATUS_HELD"},
		{":release", `{"quantity":"1","idempotencyKey":"k"}`, "id 4 RESERVATION_STATUS_HELD"},
		{":confirm", `{}`, "id 4 RESERVATION_STATUS_CONFIRMED"},
		{":confirm", ``, "id 4 RESERVATION_STATUS_CONFIRMED"},
		{":fulfil", `{"reservation_id":` + quote(t, id) + `,"quantity":1,"idempotency_key":"k"}`, "id 3 RESERVATION_STATUS_CONFIRMED"},
	} {
		var r pb.ConfirmReservationResponse // all of them look alike
		rest(t, w, "POST", "/v1/reservations/"+path+step.verb, step.body).into(t, &r)
		if got := strings.Replace(fmt.Sprintf("%s %d %s", r.Reservation.ReservationId, r.Reservation.Remaining, r.Reservation.Status), id, "id", 1); got != step.want || r.Reservation.ReservationId != id {
			t.Errorf("%s: %s, want %s", step.verb, got, step.want)
		}
	}
	var found pb.GetReservationResponse
	rest(t, w, "GET", "/v1/reservations/"+path, "").into(t, &found)
	var list pb.ListReservationsResponse
	rest(t, w, "GET", "/v1/reservations?sku="+url.QueryEscape(id)+"&token="+placed.Token, "").into(t, &list)
	if found.Reservation.ReservationId != id || len(list.Reservations) != 1 || list.Reservations[0].ReservationId != id {
		t.Errorf("found %v, listed %v", &found, &list)
	}
}

func quote(t testing.TB, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFieldsAndParametersThatDoNotExistAreRefused(t *testing.T) {
	w := shop(t)
	for name, x := range map[string]struct{ method, path, body, field, says string }{
		"field":              {"POST", "/v1/reservations", `{"reservationId":"r","colour":"red"}`, "colour", "unknown field"},
		"inner field":        {"POST", "/v1/movements", `{"movements":[{"movementId":"1","tint":1}]}`, "movements[0].tint", "unknown field"},
		"inner value":        {"POST", "/v1/movements", `{"movements":[{"received":{}}, {"received":{"condition":"NEW"}}]}`, "movements[1].received.condition", "invalid value"},
		"no time":            {"POST", "/v1/reservations/r:extend", "{\"actor\":\"\u043a\u043e\u0444\u0435\",\n  \"expiresAt\":\"noon\"}", "expiresAt", "invalid google.protobuf.Timestamp"},
		"no list":            {"POST", "/v1/availability:batchGet", `{"channel":"web","skus":"milk"}`, "skus", "unexpected token"},
		"no element":         {"POST", "/v1/availability:batchGet", `{"channel":"web","skus":["milk",["x"]]}`, "skus[1]", "invalid value"},
		"field of a put":     {"PUT", "/v1/items/milk", `{"nmae":"x"}`, "nmae", "unknown field"},
		"wrong type":         {"POST", "/v1/reservations", `{"quantity":"five"}`, "quantity", "invalid value"},
		"twice":              {"POST", "/v1/reservations", `{"sku":"a","sku":"b"}`, "sku", "duplicate"},
		"no JSON":            {"POST", "/v1/reservations", `sku=a`, "body", "syntax error"},
		"more than JSON":     {"POST", "/v1/reservations", `{} {}`, "body", "unexpected token"},
		"no object":          {"POST", "/v1/reservations", `[]`, "body", "unexpected token"},
		"no UTF-8":           {"POST", "/v1/reservations", "{\"sku\":\"\xff\"}", "sku", "invalid UTF-8"},
		"parameter":          {"GET", "/v1/availability/milk?chanel=web", "", "chanel", "channel"},
		"parameter of a put": {"PUT", "/v1/items/milk?acter=ann", `{}`, "acter", "actor"},
		"in path and query":  {"GET", "/v1/availability/milk?channel=web&sku=bread", "", "sku", "by the path"},
		"in body and query":  {"PUT", "/v1/items/milk?item.name=x", `{}`, "item.name", "not one of this call"},
		"parameter twice":    {"GET", "/v1/items?pageSize=1&page_size=2", "", "page_size", "repeated"},
		"values twice":       {"GET", "/v1/items?pageSize=1&pageSize=2", "", "pageSize", "too many values"},
		"parameter's type":   {"GET", "/v1/items?pageSize=many", "", "pageSize", "invalid syntax"},
		"enum":               {"GET", "/v1/history/milk?order=SIDEWAYS", "", "order", "SIDEWAYS"},
		"query":              {"GET", "/v1/items?a=%zz", "", "request", "invalid URL escape"},
		"timeout":            {"GET", "/v1/items", "", "request", "grpc-timeout"},
		"query of a post":    {"POST", "/v1/reservations?channel=web", `{}`, "channel", "by the body"},
		"query with a body":  {"POST", "/v1/reservations/r:confirm?dry_run=true", `{}`, "dry_run", "by the body"},
		"query of a post, %": {"POST", "/v1/movements?a=%zz", `{}`, "request", "invalid URL escape"},
		"watch's query":      {"GET", "/v1/availability:watch?channel=web&skus=a;b", "", "request", "semicolon"},
		"watch's escape":     {"GET", "/v1/availability:watch?channel=web&skus=%zz", "", "request", "invalid URL escape"},
		"watch's parameter":  {"GET", "/v1/availability:watch?channel=web&sku=a", "", "sku", "skus"},
	} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if name == "timeout" {
				headers = []string{"Grpc-Timeout", "soon"}
			}
			err := rest(t, w, x.method, x.path, x.body, headers...).refusal(t, 400)
			servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
			if fields := servicetest.Fields(err); !strings.Contains(fields[x.field], x.says) {
				t.Errorf("fields %v, want %s: … %s …", fields, x.field, x.says)
			}
		})
	}
}

func TestTheIDInThePathIsTheTruth(t *testing.T) {
	w := shop(t)
	for path, x := range map[string][3]string{
		"/v1/items/milk":                  {`{"sku":"milk"}`, `{"sku":"bread"}`, "item.sku"},
		"/v1/locations/köln":              {`{"locationId":"köln"}`, `{"location_id":"bonn"}`, "location.location_id"},
		"/v1/channels/shop":               {`{"channelId":"shop"}`, `{"channel_id":"web"}`, "channel.channel_id"},
		"/v1/reservations/cart-1:confirm": {`{"reservationId":"cart-1"}`, `{"reservationId":"cart-2"}`, "reservation_id"},
	} {
		method := map[bool]string{true: "POST", false: "PUT"}[strings.Contains(path, ":")]
		if got := rest(t, w, method, path, x[0]); got.StatusCode == 400 {
			t.Errorf("%s with the same id: %s", path, got.body)
		}
		err := rest(t, w, method, path, x[1]).refusal(t, 400)
		servicetest.Refused(t, err, codes.InvalidArgument, "INVALID_FIELDS")
		if fields := servicetest.Fields(err); !strings.Contains(fields[x[2]], "path") {
			t.Errorf("%s with another id: %v", path, fields)
		}
	}
}

func TestErrorsAreTheSameOverRESTAndGRPC(t *testing.T) {
	w := shop(t)
	w.Count("milk", 3)
	ctx := t.Context()
	if _, err := w.Reserve("cart", "milk", 1); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		call               func() error
		method, path, body string
		http               int
	}{
		"invalid": {func() error {
			_, err := w.ReservationClient().Reserve(ctx, &pb.ReserveRequest{Sku: "milk", Channel: "web"})
			return err
		}, "POST", "/v1/reservations", `{"sku":"milk","channel":"web"}`, 400},
		"not found": {func() error {
			_, err := w.AvailabilityClient().GetAvailability(ctx, &pb.GetAvailabilityRequest{Sku: "milk", Channel: "nowhere"})
			return err
		}, "GET", "/v1/availability/milk?channel=nowhere", "", 404},
		"watched nowhere": {func() error {
			stream, err := w.AvailabilityClient().WatchAvailability(ctx, &pb.WatchAvailabilityRequest{Channel: "nowhere"})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		}, "GET", "/v1/availability:watch?channel=nowhere", "", 404},
		"forbidden by state": {func() error {
			_, err := w.Reserve("cart-2", "milk", 9)
			return err
		}, "POST", "/v1/reservations", `{"reservationId":"cart-2","sku":"milk","channel":"web","quantity":9}`, 409},
		"reused": {func() error {
			_, err := w.Reserve("cart", "milk", 2)
			return err
		}, "POST", "/v1/reservations", `{"reservationId":"cart","sku":"milk","channel":"web","quantity":2}`, 409},
	} {
		t.Run(name, func(t *testing.T) {
			over := status.Convert(x.call())
			by := status.Convert(rest(t, w, x.method, x.path, x.body).refusal(t, x.http))
			if over.Code() != by.Code() || over.Message() != by.Message() || len(over.Details()) == 0 ||
				!slices.EqualFunc(over.Details(), by.Details(), func(a, b any) bool { return proto.Equal(a.(proto.Message), b.(proto.Message)) }) {
				t.Errorf("gRPC %v\nREST %v", over, by)
			}
		})
	}
}

func TestAnswersShowZeroesAndCarryTheRequestsID(t *testing.T) {
	w := shop(t)
	token := w.Count("milk", 0)
	got := rest(t, w, "GET", "/v1/availability/milk?channel=web&token="+token, "", "X-Request-Id", "call-7")
	var fields struct{ Availability map[string]any }
	if err := json.Unmarshal([]byte(got.body), &fields); err != nil {
		t.Fatal(err)
	}
	if a := fields.Availability; a["ats"] != "0" || a["known"] != true || a["decimals"] != 0.0 || a["asOf"] == nil {
		t.Errorf("got %s", got.body)
	}
	if got.Header.Get("X-Request-Id") != "call-7" || got.ContentLength != int64(len(got.body)) || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", got.Header)
	}
	for _, bad := range []string{"", "ünicode", strings.Repeat("x", 101)} {
		if id := rest(t, w, "GET", "/v1/status", "", "X-Request-Id", bad).Header.Get("X-Request-Id"); id == "" || id == bad {
			t.Errorf("for %q the id is %q", bad, id)
		}
	}
	rest(t, w, "POST", "/v1/reservations", `{"reservationId":"r","sku":"milk","channel":"web","quantity":1}`, "X-Request-Id", "call-8").refusal(t, 409)
	rest(t, w, "PUT", "/v1/items/milk", `{"name":"n"}`, "X-Request-Id", "call-9")
	var events pb.ListEventsResponse
	rest(t, w, "GET", "/v1/history/milk?pageSize=1", "").into(t, &events)
	if events.Events[0].CausationId != "call-9" {
		t.Errorf("event %v", &events)
	}
}

func TestABodyIsBounded(t *testing.T) {
	w := shop(t)
	err := rest(t, w, "POST", "/v1/movements", `{"movements":[],"x":"`+strings.Repeat("x", 4<<20)+`"}`).refusal(t, http.StatusRequestEntityTooLarge)
	servicetest.Refused(t, err, codes.ResourceExhausted, "REQUEST_TOO_LARGE")
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.URL+"/v1/movements", io.MultiReader(bytes.NewReader(make([]byte, 5<<20)))) // of unknown length
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", got.StatusCode)
	}
}

func TestWhatIsNotThereIsRefusedInJSON(t *testing.T) {
	w := shop(t)
	for _, x := range []struct {
		method, path string
		http         int
		code         codes.Code
		reason       string
	}{
		{"GET", "/v1/nothing", 404, codes.NotFound, "UNKNOWN_ROUTE"},
		{"GET", "/v1/", 404, codes.NotFound, "UNKNOWN_ROUTE"},
		{"GET", "/v2/items", 404, codes.NotFound, "UNKNOWN_ROUTE"},
		{"GET", "/nothing", 404, codes.NotFound, "UNKNOWN_ROUTE"},
		{"GET", "/v1/items/a/b", 404, codes.NotFound, "UNKNOWN_ROUTE"},
		{"GET", "/v1//items", 404, codes.NotFound, "UNKNOWN_ROUTE"},
		{"DELETE", "/v1/items/a", 405, codes.Unimplemented, "METHOD_NOT_ALLOWED"},
		{"POST", "/v1/items", 405, codes.Unimplemented, "METHOD_NOT_ALLOWED"},
		{"POST", "/docs", 405, codes.Unimplemented, "METHOD_NOT_ALLOWED"},
		{"POST", "/v1/reservations/:confirm", 405, codes.Unimplemented, "METHOD_NOT_ALLOWED"}, // GET has it, as an id
	} {
		err := rest(t, w, x.method, x.path, "").refusal(t, x.http)
		servicetest.Refused(t, err, x.code, x.reason)
	}
}

func TestPagesOfOtherSitesChangeNothing(t *testing.T) {
	w := shop(t)
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		err := rest(t, w, "PUT", "/v1/items/milk", `{}`, headers...).refusal(t, 403)
		servicetest.Refused(t, err, codes.PermissionDenied, "CROSS_ORIGIN")
	}
	if got := rest(t, w, "PUT", "/v1/items/milk", `{}`, "Sec-Fetch-Site", "same-origin", "Origin", w.URL); got.StatusCode != 200 {
		t.Errorf("its own page: %s", got.body)
	}
}

// A page whose name was made to resolve to loopback is of the same origin as the service, as browsers see it.
func TestOnlyNamesOfThisMachineAreServed(t *testing.T) {
	w := shop(t)
	port := w.URL[strings.LastIndexByte(w.URL, ':'):]
	for _, host := range []string{"evil.example" + port, "evil.example", "localhost.evil.example" + port, "127.0.0.1.evil.example", "[::1].evil.example"} {
		for _, x := range [][2]string{{"PUT", "/v1/items/milk"}, {"GET", "/v1/items/milk"}, {"GET", "/docs"}} {
			err := restAs(t, w, host, x[0], x[1], `{}`, "Origin", "http://"+host).refusal(t, 403)
			servicetest.Refused(t, err, codes.PermissionDenied, "FOREIGN_HOST")
		}
	}
	for _, host := range []string{"localhost" + port, "LOCALHOST", "localhost.", "shop.localhost:80", "127.0.0.1", "127.1.2.3:9", "[::1]" + port, "[::1]", "192.168.1.7:8080"} {
		if got := restAs(t, w, host, "PUT", "/v1/items/milk", `{}`); got.StatusCode != 200 {
			t.Errorf("%s: %d %s", host, got.StatusCode, got.body)
		}
	}
}

func TestACallersTimeoutEndsACall(t *testing.T) {
	w := shop(t)
	got := rest(t, w, "GET", "/v1/availability/milk?channel=web&token="+w.Tokens.Encode(1<<50), "", "Grpc-Timeout", "50m")
	if err := got.refusal(t, http.StatusGatewayTimeout); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}
