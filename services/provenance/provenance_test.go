package provenance_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/stockfold/stockfold/services/provenance"
)

func called(ids ...string) context.Context {
	md := metadata.MD{}
	for _, id := range ids {
		md.Append("x-request-id", id)
	}
	return metadata.NewIncomingContext(context.Background(), md)
}

func TestTheRequestsIDIsTakenWhenItCanBeKept(t *testing.T) {
	for name, x := range map[string]struct {
		ctx  context.Context
		want string
	}{
		"no metadata": {context.Background(), ""},
		"none":        {called(), ""},
		"one":         {called("call-7"), "call-7"},
		"of letters":  {called("zażółć"), "zażółć"},
		"empty":       {called(""), ""},
		"long":        {called(strings.Repeat("x", 101)), ""},
		"control":     {called("a\x1fb"), ""},
		"delete":      {called("a\x7f"), ""},
		"no UTF-8":    {called("a\xff"), ""},
		"second":      {called("", "b"), "b"},
	} {
		if got := provenance.RequestID(x.ctx); got != x.want {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}

func TestMetadataOfACall(t *testing.T) {
	m := provenance.Metadata(called("call-7"), "ann", "visit-3")
	if m.Actor != "ann" || m.CorrelationID != "visit-3" || m.CausationID != "call-7" || m.OccurredAt != 0 || m.IdempotencyKey != "" {
		t.Errorf("got %+v", m)
	}
}
