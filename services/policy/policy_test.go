package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/servicetest"
)

func start(t *testing.T) *servicetest.World {
	t.Helper()
	return servicetest.Start(t, servicetest.Options{})
}

func TestAPutIsInForceWhenItReturns(t *testing.T) {
	w := start(t)
	w.Location("berlin")
	w.Location("köln")
	w.Channel("web", "berlin")
	w.Count("milk", 10)
	c := w.PolicyClient()
	for i := range 30 {
		id := fmt.Sprintf("cart-%d", i)
		off := &pb.Location{LocationId: "berlin", Disabled: true}
		if _, err := c.PutLocation(t.Context(), &pb.PutLocationRequest{Location: off}); err != nil {
			t.Fatal(err)
		}
		_, err := w.Reserve(id, "milk", 1)
		if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "INSUFFICIENT_STOCK"); facts["available"] != "0" {
			t.Fatalf("while berlin is disabled: %v", facts)
		}
		w.Location("berlin")
		if _, err := c.PutChannel(t.Context(), &pb.PutChannelRequest{Channel: &pb.Channel{
			ChannelId: "web", Sourcing: []string{"köln", "berlin"}, HoldSeconds: int64(100 + i), Buffer: 9}}); err != nil {
			t.Fatal(err)
		}
		placed, err := w.Reserve(id, "milk", 1)
		if err != nil {
			t.Fatal(err)
		}
		held := placed.Reservation.ExpiresAt.AsTime().Sub(placed.Reservation.PlacedAt.AsTime()).Seconds()
		if held < float64(100+i) || held > float64(101+i) {
			t.Fatalf("held for %v s", held)
		}
		_, err = w.Reserve(id+"-more", "milk", 1)
		if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "INSUFFICIENT_STOCK"); facts["available"] != "0" {
			t.Fatalf("beyond the buffer: %v", facts)
		}
		if _, err := w.ReservationClient().ReleaseReservation(t.Context(), &pb.ReleaseReservationRequest{ReservationId: id}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatWasPutIsWhatIsGot(t *testing.T) {
	w := start(t)
	c := w.PolicyClient()
	ctx := t.Context()
	w.Location("a")

	location := &pb.Location{LocationId: "köln/1", Name: "Köln", Kind: "store", TimeZone: "Europe/Berlin", Disabled: true}
	putL, err := c.PutLocation(ctx, &pb.PutLocationRequest{Location: location})
	if err != nil {
		t.Fatal(err)
	}
	gotL, err := c.GetLocation(ctx, &pb.GetLocationRequest{LocationId: "köln/1"})
	if err != nil || !proto.Equal(putL.Location, location) || !proto.Equal(gotL.Location, location) {
		t.Errorf("location: put %v, got %v, %v", putL, gotL, err)
	}

	channel := &pb.Channel{ChannelId: "web", Name: "Web", Sourcing: []string{"köln/1", "a"}, HoldSeconds: 60, Buffer: 2}
	putC, err := c.PutChannel(ctx, &pb.PutChannelRequest{Channel: channel})
	if err != nil {
		t.Fatal(err)
	}
	gotC, err := c.GetChannel(ctx, &pb.GetChannelRequest{ChannelId: "web"})
	if err != nil || !proto.Equal(putC.Channel, channel) || !proto.Equal(gotC.Channel, channel) {
		t.Errorf("channel: put %v, got %v, %v", putC, gotC, err)
	}

	item := &pb.Item{Sku: "milk", Name: "Milk", Unit: "l", Decimals: 2, Category: "dairy", SafetyStock: []*pb.SafetyStock{
		{Location: "b", Quantity: 2}, {Location: "a", Quantity: 1}, {Location: "c"}}}
	putI, err := c.PutItem(ctx, &pb.PutItemRequest{Item: item})
	if err != nil {
		t.Fatal(err)
	}
	gotI, err := c.GetItem(ctx, &pb.GetItemRequest{Sku: "milk", Token: putI.Token})
	item.SafetyStock = []*pb.SafetyStock{{Location: "a", Quantity: 1}, {Location: "b", Quantity: 2}}
	if err != nil || !proto.Equal(putI.Item, item) || !proto.Equal(gotI.Item, item) {
		t.Errorf("item: put %v, got %v, %v", putI, gotI, err)
	}

	bare, err := c.PutItem(ctx, &pb.PutItemRequest{Item: &pb.Item{Sku: "milk", Decimals: 2}}) // replaces the whole
	if err != nil || !proto.Equal(bare.Item, &pb.Item{Sku: "milk", Decimals: 2, Unit: "each"}) {
		t.Errorf("put %v, %v", bare, err)
	}
	defaults, err := c.PutChannel(ctx, &pb.PutChannelRequest{Channel: &pb.Channel{ChannelId: "shop"}})
	if err != nil || defaults.Channel.HoldSeconds != 900 {
		t.Errorf("put %v, %v", defaults, err)
	}
	zone, err := c.PutLocation(ctx, &pb.PutLocationRequest{Location: &pb.Location{LocationId: "b"}})
	if err != nil || zone.Location.TimeZone != "UTC" {
		t.Errorf("put %v, %v", zone, err)
	}
}

func TestAPutMayBeRepeatedAndTakenBack(t *testing.T) {
	w := start(t)
	c := w.PolicyClient()
	put := func(name string) {
		t.Helper()
		if _, err := c.PutItem(t.Context(), &pb.PutItemRequest{Item: &pb.Item{Sku: "milk", Name: name}, Actor: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"A", "A", "B", "A", "A"} {
		put(name)
	}
	events, err := w.HistoryClient().ListEvents(t.Context(), &pb.ListEventsRequest{Sku: "milk", Order: pb.ListEventsRequest_ORDER_OLDEST_FIRST})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range events.Events {
		names = append(names, e.GetItemRegistered().Name+" by "+e.Actor)
	}
	if strings.Join(names, ", ") != "A by ann, B by ann, A by ann" {
		t.Errorf("recorded %v", names)
	}
}

func TestDecimalsAreFixedOnceStockIsRecorded(t *testing.T) {
	w := start(t)
	w.Shop()
	w.Count("milk", 1)
	_, err := w.PolicyClient().PutItem(t.Context(), &pb.PutItemRequest{Item: &pb.Item{Sku: "milk", Decimals: 3}})
	if facts := servicetest.Refused(t, err, codes.FailedPrecondition, "DECIMALS_FIXED"); facts["sku"] != "milk" || facts["requested"] != "3" {
		t.Errorf("facts %v", facts)
	}
}

func TestWhatIsWrongWithAPut(t *testing.T) {
	w := start(t)
	w.Shop()
	c := w.PolicyClient()
	ctx := t.Context()
	item := func(i *pb.Item) error { _, err := c.PutItem(ctx, &pb.PutItemRequest{Item: i}); return err }
	place := func(l *pb.Location) error {
		_, err := c.PutLocation(ctx, &pb.PutLocationRequest{Location: l})
		return err
	}
	channel := func(x *pb.Channel) error {
		_, err := c.PutChannel(ctx, &pb.PutChannelRequest{Channel: x})
		return err
	}
	list := func(r *pb.ListChannelsRequest) error { _, err := c.ListChannels(ctx, r); return err }
	many := make([]string, 2001)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, x := range map[string]struct {
		err         error
		field, says string
	}{
		"no item":            {item(nil), "item", "must be given"},
		"no SKU":             {item(&pb.Item{}), "item.sku", "is empty"},
		"long name":          {item(&pb.Item{Sku: "a", Name: strings.Repeat("x", 201)}), "item.name", "has 201"},
		"long unit":          {item(&pb.Item{Sku: "a", Unit: strings.Repeat("x", 21)}), "item.unit", "has 21"},
		"decimals":           {item(&pb.Item{Sku: "a", Decimals: 10}), "item.decimals", "is 10"},
		"long category":      {item(&pb.Item{Sku: "a", Category: strings.Repeat("x", 101)}), "item.category", "has 101"},
		"safety stock":       {item(&pb.Item{Sku: "a", SafetyStock: []*pb.SafetyStock{{Location: "l", Quantity: -1}}}), "item.safety_stock[0].quantity", "is -1"},
		"safety stock twice": {item(&pb.Item{Sku: "a", SafetyStock: []*pb.SafetyStock{{Location: "l"}, {Location: "l"}}}), "item.safety_stock[1].location", "repeated"},
		"safety stock where": {item(&pb.Item{Sku: "a", SafetyStock: []*pb.SafetyStock{{}}}), "item.safety_stock[0].location", "is empty"},
		"too much of it":     {item(&pb.Item{Sku: "a", SafetyStock: make([]*pb.SafetyStock, 2001)}), "item.safety_stock", "has 2001"},
		"no location":        {place(nil), "location", "must be given"},
		"no location id":     {place(&pb.Location{}), "location.location_id", "is empty"},
		"long kind":          {place(&pb.Location{LocationId: "a", Kind: strings.Repeat("x", 51)}), "location.kind", "has 51"},
		"time zone":          {place(&pb.Location{LocationId: "a", TimeZone: "Berlin"}), "location.time_zone", "IANA"},
		"local time":         {place(&pb.Location{LocationId: "a", TimeZone: "Local"}), "location.time_zone", "IANA"},
		"no channel":         {channel(nil), "channel", "must be given"},
		"no channel id":      {channel(&pb.Channel{}), "channel.channel_id", "is empty"},
		"hold":               {channel(&pb.Channel{ChannelId: "a", HoldSeconds: -1}), "channel.hold_seconds", "is -1"},
		"buffer":             {channel(&pb.Channel{ChannelId: "a", Buffer: -1}), "channel.buffer", "is -1"},
		"sourcing twice":     {channel(&pb.Channel{ChannelId: "a", Sourcing: []string{"berlin", "berlin"}}), "channel.sourcing[1]", "repeated"},
		"sourcing empty":     {channel(&pb.Channel{ChannelId: "a", Sourcing: []string{""}}), "channel.sourcing[0]", "is empty"},
		"sourcing too long":  {channel(&pb.Channel{ChannelId: "a", Sourcing: many}), "channel.sourcing", "has 2001"},
		"page size":          {list(&pb.ListChannelsRequest{PageSize: -1}), "page_size", "is -1"},
		"page token":         {list(&pb.ListChannelsRequest{PageToken: "?"}), "page_token", "not a token"},
	} {
		t.Run(name, func(t *testing.T) {
			servicetest.Refused(t, x.err, codes.InvalidArgument, "INVALID_FIELDS")
			if fields := servicetest.Fields(x.err); !strings.Contains(fields[x.field], x.says) {
				t.Errorf("fields %v, want %s: … %s …", fields, x.field, x.says)
			}
		})
	}
	err := channel(&pb.Channel{ChannelId: "a", Sourcing: []string{"atlantis", "berlin", "avalon"}})
	if facts := servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_LOCATION"); facts["location"] != "atlantis" || facts["count"] != "2" ||
		!strings.Contains(err.Error(), `"avalon"`) {
		t.Errorf("%v, %v", facts, err)
	}
}

func TestWhatDoesNotExistIsNamed(t *testing.T) {
	w := start(t)
	c := w.PolicyClient()
	_, err := c.GetItem(t.Context(), &pb.GetItemRequest{Sku: "x"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_SKU")
	_, err = c.GetLocation(t.Context(), &pb.GetLocationRequest{LocationId: "x"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_LOCATION")
	_, err = c.GetChannel(t.Context(), &pb.GetChannelRequest{ChannelId: "x"})
	servicetest.Refused(t, err, codes.NotFound, "UNKNOWN_CHANNEL")
}

func TestListsAreInOrderAndGoOnFromPageToPage(t *testing.T) {
	w := start(t)
	c := w.PolicyClient()
	ctx := t.Context()
	w.Location("berlin")
	var want []string
	var last string
	for i := range 25 {
		id := fmt.Sprintf("%02d", i)
		want = append(want, id)
		w.Location(id)
		w.Channel(id, id)
		last = w.Count(id, 1)
	}
	if _, err := c.GetItem(ctx, &pb.GetItemRequest{Sku: "00", Token: last}); err != nil {
		t.Fatal(err)
	}
	want = append(want, "berlin")
	for size := range int32(27) {
		var items, locations, channels []string
		for token := ""; ; {
			page, err := c.ListItems(ctx, &pb.ListItemsRequest{PageSize: size, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range page.Items {
				items = append(items, x.Sku)
			}
			if token = page.NextPageToken; token == "" {
				break
			}
		}
		for token := ""; ; {
			page, err := c.ListLocations(ctx, &pb.ListLocationsRequest{PageSize: size, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range page.Locations {
				locations = append(locations, x.LocationId)
			}
			if token = page.NextPageToken; token == "" {
				break
			}
		}
		for token := ""; ; {
			page, err := c.ListChannels(ctx, &pb.ListChannelsRequest{PageSize: size, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range page.Channels {
				channels = append(channels, x.ChannelId)
			}
			if token = page.NextPageToken; token == "" {
				break
			}
		}
		if fmt.Sprint(items) != fmt.Sprint(want[:25]) || fmt.Sprint(channels) != fmt.Sprint(want[:25]) || fmt.Sprint(locations) != fmt.Sprint(want) {
			t.Fatalf("pages of %d: items %v, locations %v, channels %v", size, items, locations, channels)
		}
	}
}

func TestAPageIsBoundedInBytesToo(t *testing.T) {
	w := start(t)
	long := strings.Repeat("x", 90)
	var sourcing []string
	for i := range 300 {
		id := fmt.Sprintf("%s-%03d", long, i)
		sourcing = append(sourcing, id)
		w.Location(id)
	}
	for i := range 100 { // of 30 kB each
		w.Channel(fmt.Sprintf("%03d", i), sourcing...)
	}
	page, err := w.PolicyClient().ListChannels(t.Context(), &pb.ListChannelsRequest{PageSize: 1000})
	if err != nil || len(page.Channels) == 100 || page.NextPageToken == "" {
		t.Fatalf("%d channels, %v", len(page.GetChannels()), err)
	}
	next, err := w.PolicyClient().ListChannels(t.Context(), &pb.ListChannelsRequest{PageSize: 1000, PageToken: page.NextPageToken})
	if err != nil || len(page.Channels)+len(next.Channels) != 100 || next.Channels[0].ChannelId != fmt.Sprintf("%03d", len(page.Channels)) {
		t.Errorf("then %d channels, %v", len(next.GetChannels()), err)
	}
}
