package load

import (
	"context"
	"strings"
	"testing"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"google.golang.org/protobuf/proto"
)

const itemsHeader = "product_id,manufacturer_id,department,brand,product_category,product_type,package_size\n"

func TestItemsAreDescribed(t *testing.T) {
	text := itemsHeader +
		"1,2,GROCERY,National,FRZN ICE,ICE - CRUSHED/CUBED,22 LB\n" +
		"2,2,MISCELLANEOUS,National,,,\n" +
		"3,69,FUEL,Private,COUPON/MISC ITEMS,OTHER,\n" +
		"4,69,MISCELLANEOUS,Private,COUPON/MISC ITEMS,GASOLINE-REG UNLEADED,\n" +
		"5,69,PASTRY,Private,BREAD,BREAD:ITALIAN/FRENCH,\n" + // not sold
		"1,2,GROCERY,National,FRZN ICE,ANOTHER,\n" + // a second time
		"6,1,GROCERY,National,BREAD,,1 LB\n"
	want := []*pb.Item{
		{Sku: "1", Name: "ICE - CRUSHED/CUBED, 22 LB", Unit: "each", Category: "FRZN ICE"},
		{Sku: "2", Name: "MISCELLANEOUS", Unit: "each", Category: "MISCELLANEOUS"},
		{Sku: "3", Name: "OTHER", Unit: "gal", Decimals: 3, Category: "COUPON/MISC ITEMS"},
		{Sku: "4", Name: "GASOLINE-REG UNLEADED", Unit: "gal", Decimals: 3, Category: "COUPON/MISC ITEMS"},
		{Sku: "6", Name: "BREAD, 1 LB", Unit: "each", Category: "BREAD"},
	}
	got, err := ReadItems(context.Background(), Bytes("items.csv", []byte(text)), skus("1", "2", "3", "4", "6", "7"))
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %v, %v", got, err)
	}
	for i := range want {
		if !proto.Equal(got[i], want[i]) {
			t.Errorf("item %d:\n got %v\nwant %v", i, got[i], want[i])
		}
	}
}

func TestBadItemsAreNamed(t *testing.T) {
	for text, problem := range map[string]string{
		"product_id,department\n":     `items.csv, line 1: there is no column "product_category"`,
		itemsHeader + "1,2,GROCERY\n": "items.csv, line 2: has 3 fields, the header has 7",
	} {
		if _, err := ReadItems(context.Background(), Bytes("items.csv", []byte(text)), skus("1")); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("got %v, want %q", err, problem)
		}
	}
}

func TestLongNamesAreCutBetweenCharacters(t *testing.T) {
	name := strings.Repeat("ä", 150)
	if got := clip(name, 199); got != strings.Repeat("ä", 99) {
		t.Errorf("got %d bytes", len(got))
	}
}

func skus(ids ...string) []SKU {
	list := make([]SKU, len(ids))
	for i, id := range ids {
		list[i].ID = id
	}
	return list
}
