package bench

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestOverloadIsComparedWithThePeak(t *testing.T) {
	for l, refused := range map[lie]string{honest: ", and 0 refused", refusesPolitely: "refused, each with RetryInfo"} {
		r, err := Run(t.Context(), fakePrograms(t, l), small(t, "overload"), t.Output())
		if err != nil {
			t.Fatal(err)
		}
		f := r.Figures[0]
		if f.Value <= 0 || f.Baseline <= 0 || len(f.Rounds) != 1 || f.Latency == nil || f.Errors != 0 {
			t.Errorf("%s: %+v", l, f)
		}
		if len(f.Notes) != 2 || !strings.Contains(f.Notes[0], refused) || f.Target.P99 != overloadP99 {
			t.Errorf("%s: %q", l, f.Notes)
		}
		if none := strings.Contains(f.Notes[1], "; 0 refused"); none != (l == honest) {
			t.Errorf("%s: %q", l, f.Notes[1])
		}
	}
}

// Refusals without a word on when to try again, and sums that do not agree, fail the run.
func TestAServiceThatLiesFailsOverload(t *testing.T) {
	for _, l := range []lie{refusesSome, forgetsReserved, doublesReserved} {
		if _, err := Run(t.Context(), fakePrograms(t, l), small(t, "overload"), io.Discard); !errors.Is(err, ErrWrong) {
			t.Errorf("%s: %v", l, err)
		}
	}
}

func TestWhoIsRefusedIsToldWhenToTryAgain(t *testing.T) {
	with := func(code codes.Code, wait time.Duration) error {
		s, err := status.New(code, "too much").WithDetails(&errdetails.ErrorInfo{Reason: "OVERLOADED"}, &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
		if err != nil {
			t.Fatal(err)
		}
		return s.Err()
	}
	for _, c := range []struct {
		err   error
		wrong bool
	}{{nil, false}, {with(codes.ResourceExhausted, time.Second), false}, {with(codes.ResourceExhausted, 0), true},
		{status.Error(codes.ResourceExhausted, "too much"), true}, {status.Error(codes.Unavailable, "gone"), false}} {
		again, got := refusal(c.err)
		if refused := status.Code(c.err) == codes.ResourceExhausted && !c.wrong; refused != (again == time.Second) || errors.Is(got, ErrWrong) != c.wrong ||
			!c.wrong && !refused && got != c.err {
			t.Errorf("%v: again after %v, %v", c.err, again, got)
		}
	}
}

// The rows about growth and size take long, and a quick run leaves them out.
func TestAQuickRunLeavesGrowthOut(t *testing.T) {
	chosen, err := choose(nil, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range chosen {
		if strings.HasPrefix(r.Name, "growth-") || slices.Contains([]string{"overload", "start", "complete", "memory", "disk"}, r.Name) {
			t.Errorf("%s is in a quick run", r.Name)
		}
	}
	if chosen, err := choose([]string{"disk", "growth-skus"}, true); err != nil || len(chosen) != 2 {
		t.Errorf("asked for by name: %v (%v)", chosen, err)
	}
}
