package main

import (
	"strings"
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// A value that was published after later events is not told as if the one it is drawn below had made it.
func TestATraceTellsWhatAPublishedValueIsAsOf(t *testing.T) {
	text := traceText("m-1", &pb.TraceResponse{Steps: []*pb.TraceStep{
		{Id: "e", Event: &pb.Event{Type: "StockSold", Stream: "sku-milk", Position: 7}},
		{Id: "a", ParentId: "e", Through: "kafka a/1/2", Published: &pb.PublishedChange{Channel: "web", Ats: 3, Position: 7}},
		{Id: "b", ParentId: "e", Through: "kafka a/1/3", Published: &pb.PublishedChange{Channel: "store", Ats: 4, Position: 9}}}})
	if !strings.Contains(text, "web ATS 3\n") || !strings.Contains(text, "store ATS 4, with what followed up to position 9\n") {
		t.Errorf("got\n%s", text)
	}
}
