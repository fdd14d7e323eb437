package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	contract "github.com/stockfold/stockfold/proto"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// operation is one route of the OpenAPI document.
type operation struct {
	ID         string `json:"operationId"`
	Summary    string
	Parameters []struct{ Name, In string }
	method     string
	path       string
}

// operations are all routes of the OpenAPI document, by "Service_Method".
func operations(t *testing.T) map[string]operation {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(contract.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]operation{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			op.method, op.path = strings.ToUpper(method), path
			all[op.ID] = op
		}
	}
	return all
}

// methods are all RPCs of the contract, as "Service_Method".
func methods() (names []string) {
	protoregistry.GlobalFiles.RangeFilesByPackage(pb.File_stockfold_inventory_v1_stock_proto.Package(), func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			service := f.Services().Get(i)
			for j := range service.Methods().Len() {
				names = append(names, string(service.Name())+"_"+string(service.Methods().Get(j).Name()))
			}
		}
		return true
	})
	return names
}

var parameter = regexp.MustCompile(`\{[^}]+\}`)

// The gateway is silent about an RPC that http.yaml leaves out.
func TestEveryRPCHasARouteThatAnswersAndADescription(t *testing.T) {
	w := shop(t)
	described := operations(t)
	all := methods()
	if len(all) < 25 {
		t.Fatalf("found only %v", all)
	}
	for _, name := range all {
		op, ok := described[name]
		if !ok {
			t.Errorf("%s has no route", name)
			continue
		}
		if op.Summary == "" {
			t.Errorf("%s is not described", name)
		}
		if strings.HasSuffix(op.path, ":watch") {
			op.path += "?channel=nowhere"
		}
		got := rest(t, w, op.method, parameter.ReplaceAllString(op.path, "x"), "")
		if got.StatusCode == http.StatusMethodNotAllowed || strings.Contains(got.body, "UNKNOWN_ROUTE") || strings.Contains(got.body, "not implemented") {
			t.Errorf("%s %s: HTTP %d %s", op.method, op.path, got.StatusCode, got.body)
		}
	}
	if len(described) != len(all) {
		t.Errorf("%d RPCs, %d routes described", len(all), len(described))
	}
}

func TestEveryRPCIsInHTTPYAML(t *testing.T) {
	routes, err := os.ReadFile("../../proto/stockfold/inventory/v1/http.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range methods() {
		if !strings.Contains(string(routes), "v1."+strings.Replace(name, "_", ".", 1)+"\n") {
			t.Errorf("%s is not in http.yaml", name)
		}
	}
}

func TestThePagesNeedNoOtherSite(t *testing.T) {
	w := shop(t)
	if got := rest(t, w, "GET", "/", ""); got.StatusCode != 302 || got.Header.Get("Location") != "/docs" {
		t.Errorf("/ answers %d to %s", got.StatusCode, got.Header.Get("Location"))
	}
	for path, x := range map[string][2]string{
		"/docs":          {"text/html", "/docs/page.js"},
		"/docs/page.js":  {"text/javascript", "openapi.json"},
		"/docs/page.css": {"text/css", "body"},
		"/openapi.json":  {"application/json", `"title": "Stockfold"`},
	} {
		got := rest(t, w, "GET", path, "")
		if got.StatusCode != 200 || !strings.HasPrefix(got.Header.Get("Content-Type"), x[0]) || !strings.Contains(got.body, x[1]) {
			t.Errorf("%s answers %d, %s", path, got.StatusCode, got.Header.Get("Content-Type"))
		}
		if strings.HasPrefix(path, "/docs") {
			if strings.Contains(got.body, "http://") || strings.Contains(got.body, "https://") {
				t.Errorf("%s names another site", path)
			}
			if !strings.Contains(got.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s may load from elsewhere", path)
			}
		}
		if head := rest(t, w, "HEAD", path, ""); head.StatusCode != 200 || head.body != "" {
			t.Errorf("HEAD %s answers %d", path, head.StatusCode)
		}
	}
	page := rest(t, w, "GET", "/docs/page.js", "").body
	for _, id := range regexp.MustCompile(`(?m)^  ([A-Z]\w+_\w+):`).FindAllStringSubmatch(page, -1) {
		if _, ok := operations(t)[id[1]]; !ok {
			t.Errorf("the page has an example for %s, which is no operation", id[1])
		}
	}
}

// The query of a POST is refused; so nothing that a call needs may be there.
func TestThePOSTRoutesTakeEverythingFromTheBody(t *testing.T) {
	for name, op := range operations(t) {
		for _, p := range op.Parameters {
			if op.method == http.MethodPost && p.In == "query" {
				t.Errorf("%s has the query parameter %s", name, p.Name)
			}
		}
	}
}
