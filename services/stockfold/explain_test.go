package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

func TestAnExplanationCanBeReadAloud(t *testing.T) {
	at := func(seconds int64) *timestamppb.Timestamp {
		return &timestamppb.Timestamp{Seconds: 1_767_614_400 + seconds}
	}
	x := &explained{ExplainAvailabilityResponse: &pb.ExplainAvailabilityResponse{
		Sku: "1082185", Name: "Bananas", Unit: "kg", Decimals: 2, Known: true, Channel: "web", At: at(3600), Ats: 850, Events: 9,
		Last: &pb.Cause{Type: "ReservationPlaced", OccurredAt: at(3000), Revision: 8},
		Steps: []*pb.ExplainedStep{
			{Step: "ON_HAND", Location: "berlin", Amount: 1250, Subtotal: 1250, Text: "on hand, sellable"},
			{Step: "RESERVED", Location: "berlin", Amount: -300, Subtotal: 950, Text: "reserved"},
			{Step: "BUFFER", Amount: -100, Subtotal: 850, Text: "buffer of the channel", Rules: []*pb.ExplainedRule{
				{Rule: "buffer", Level: "channel", Quantity: 100, Applied: true, Cause: &pb.Cause{Type: "ChannelDefined", Actor: "ann", OccurredAt: at(0)}}}},
		},
		Locations: []*pb.ExplainedLocation{
			{Location: "berlin", Sells: true, OnHand: 1250, Counted: 1300, CountedLeft: 1300, Changes: 1, Changed: -50, Absorbed: 2,
				Count:    &pb.Cause{Type: "StockCounted", Revision: 3, OccurredAt: at(60), DelayMs: 90_000, Source: &pb.Source{System: "wms", Document: "C-1", Sequence: "17"}},
				Latest:   []*pb.Cause{{Type: "StockSold", Revision: 5, OccurredAt: at(120), Effect: -50, Source: &pb.Source{System: "pos", Document: "R-1", Line: "2"}}},
				Observed: 1, Observations: []*pb.Cause{{Type: "ObservationRecorded", Revision: 6, OccurredAt: at(130), Effect: 5, Source: &pb.Source{System: "legacy"}}}},
			{Location: "munich", OnHand: 7, WhyNot: "the location is disabled"},
		},
		Holds: []*pb.ExplainedHold{{ReservationId: "cart", Channel: "web", Remaining: 300, ExpiresAt: at(3900), Placed: &pb.Cause{RecordedAt: at(3000)},
			Splits: []*pb.Split{{Location: "berlin", Quantity: 300}}}},
		DeadLetters: []*pb.ExplainedDeadLetter{{DeadLetterId: "00a-1", Reason: "UNKNOWN_LOCATION", Message: "not defined", ReceivedAt: at(10)}},
		Gaps:        []*pb.SequenceGap{{Source: "wms", PartitionKey: "berlin", First: 18, Last: 20, Missing: 3, Since: at(70)}},
	}}
	want := `SKU 1082185 (Bananas) on channel web, 2026-01-05 13:00:00 UTC: 8.50 kg available to sell.

At berlin
         12.50  on hand, sellable
                counted 13.00, StockCounted by wms, document C-1, number 17, 2026-01-05 12:01:00 UTC, recorded 90 seconds later (event 3)
                1 change since, -0.50 together; the latest:
                  -0.50: StockSold by pos, document R-1 line 2, 2026-01-05 12:02:00 UTC (event 5)
                2 facts came late and changed nothing: a count covers what occurred before it
                1 observation of others than the system of record, not applied; the latest:
                  0.05: ObservationRecorded by legacy, 2026-01-05 12:02:10 UTC (event 6)
         -3.00  reserved

Of all this, channel web may sell
         -1.00  buffer of the channel, by the rule of channel, ChannelDefined, actor ann, 2026-01-05 12:00:00 UTC (event 0)
        = 8.50  available to sell

Not counted, at munich: 0.07 on hand; the location is disabled.
                counted never

1 live reservation:
          3.00  cart of channel web, 3.00 at berlin, held until 2026-01-05 13:05:00 UTC, placed 2026-01-05 12:50:00 UTC

Not applied, dead letter 00a-1 since 2026-01-05 12:00:10 UTC: UNKNOWN_LOCATION, not defined

Maybe missing: 3 messages of source wms under key berlin, numbers 18 to 20, since 2026-01-05 12:01:10 UTC.

Read from 9 events of the SKU; the last is ReservationPlaced, 2026-01-05 12:50:00 UTC (event 8).
`
	if got := x.text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRulesCanBeReadAloud(t *testing.T) {
	set := func(revision uint64) *pb.Cause {
		return &pb.Cause{Type: "SafetyStockSet", OccurredAt: &timestamppb.Timestamp{Seconds: 1_767_614_400}, Revision: revision}
	}
	x := &explained{ExplainAvailabilityResponse: &pb.ExplainAvailabilityResponse{Decimals: 1}}
	for _, c := range []struct {
		rules []*pb.ExplainedRule
		want  string
	}{
		{nil, ""},
		{[]*pb.ExplainedRule{{Level: "sku+channel", Applied: true, Quantity: 40, Cause: set(3)}, {Level: "sku", Quantity: 15, Cause: set(1)}, {Level: "channel", Quantity: 0, Cause: set(2)}},
			", by the rule of sku+channel, SafetyStockSet, 2026-01-05 12:00:00 UTC (event 3)" +
				"; it beats that of sku, which says 1.5, SafetyStockSet, 2026-01-05 12:00:00 UTC (event 1)" +
				"; it beats that of channel, which says 0.0, SafetyStockSet, 2026-01-05 12:00:00 UTC (event 2)"},
		{[]*pb.ExplainedRule{{Level: "sku+channel a", Applied: true, Cause: set(4)}, {Level: "sku+channel b", Applied: true, Cause: set(5)}},
			", by the rule of sku+channel a, SafetyStockSet, 2026-01-05 12:00:00 UTC (event 4); and that of sku+channel b, SafetyStockSet, 2026-01-05 12:00:00 UTC (event 5)"},
	} {
		if got := x.rules(&pb.ExplainedStep{Rules: c.rules}); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestShortDelaysAreExact(t *testing.T) {
	for d, want := range map[time.Duration]string{1_499 * time.Microsecond: "1ms", 61_020 * time.Millisecond: "1m1.02s", 9 * 365 * 24 * time.Hour: "3285 days"} {
		if got := delay(d); got != want {
			t.Errorf("%d is told as %q, want %q", d, got, want)
		}
	}
}

func TestDelaysCanBeReadAloud(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 second", 119 * time.Second: "119 seconds", 2 * time.Minute: "2 minutes", 90 * time.Minute: "90 minutes",
		47*time.Hour + time.Minute: "47 hours", 86763 * time.Hour: "3615 days",
	} {
		if got := late(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestExplainAsksTheService(t *testing.T) {
	t.Parallel()
	c := client{t, startNode(t, testConfig(t))}
	c.call("PolicyService/PutLocation", `{"location": {"location_id": "dc"}}`)
	c.call("PolicyService/PutChannel", `{"channel": {"channel_id": "web", "sourcing": ["dc"]}}`)
	c.call("StockService/RecordMovements", `{"movements": [{"movement_id": "1", "source": "wms", "sku": "tea/green 100%", "location": "dc", "quantity": 10,
		"occurred_at": "2017-01-02T15:04:05Z", "document": "D-9", "received": {}}]}`)
	out, trouble, code := c.run("explain", "tea/green 100%", "--channel", "web")
	if code != 0 || !regexp.MustCompile(`(?s)10 available to sell\..*StockReceived by wms, document D-9, 2017-01-02 15:04:05 UTC, recorded .*= 10  available`).MatchString(out) {
		t.Errorf("exit code %d\n%s%s", code, out, trouble)
	}
	out, _, code = c.run("explain", "tea/green 100%", "--channel", "web", "--at", "2017-01-02T15:04:05+01:00")
	if code == 0 || out != "" { // the channel was not there yet
		t.Errorf("exit code %d\n%s", code, out)
	}
	out, trouble, code = c.run("explain", "tea/green 100%", "--channel", "web", "--json")
	var answer struct{ Ats string }
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != 0 || answer.Ats != "10" {
		t.Errorf("exit code %d, %v\n%s%s", code, err, out, trouble)
	}
	if out, trouble, code = c.run("explain", "coffee", "--channel", "web"); code != 0 || !strings.HasPrefix(out, "Nothing was ever recorded for SKU coffee") {
		t.Errorf("exit code %d\n%s%s", code, out, trouble)
	}
	if _, trouble, code = c.run("explain", "coffee", "--channel", "shop"); code != 1 || !strings.Contains(trouble, "UNKNOWN_CHANNEL") {
		t.Errorf("exit code %d\n%s", code, trouble)
	}
}

func TestAnExplanationOfAKitNamesItsComponents(t *testing.T) {
	x := &explained{ExplainAvailabilityResponse: &pb.ExplainAvailabilityResponse{Sku: "tea set", Known: true, Channel: "web", Ats: 2, Last: &pb.Cause{Type: "KitDefined"},
		Components: []*pb.ExplainedComponent{{Sku: "cup", Known: true, Quantity: 4, Ats: 10, Kits: 2, Limits: true}, {Sku: "pot", Known: true, Quantity: 1, Ats: 3, Kits: 3}},
		Steps:      []*pb.ExplainedStep{{Step: "COMPONENTS", Amount: 2, Subtotal: 2, Text: "kits in what there is of the components"}}}}
	want := `
It is a kit, of
             4  cup for each, of which 10 are available to sell: enough for 2; no other allows fewer
             1  pot for each, of which 3 are available to sell: enough for 3
             2  kits in what there is of the components
           = 2  available to sell
`
	if got := x.text(); !strings.Contains(got, want) {
		t.Errorf("got %s", got)
	}
}
