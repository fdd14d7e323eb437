package codec

import (
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/aggregates/stock"
)

// wider has the events of types that were given fields since their first golden bytes were written, in the order of these
// versions, each with every field set that there was by then.
func wider() []aggregates.Event {
	splits := []stock.Split{{Location: "berlin", Quantity: 3}, {Location: "köln/2", Quantity: 1}}
	changes := []stock.SupplyChange{{Location: "berlin", DueAt: noon, Open: -3}, {Location: "köln", Lost: 2}}
	uses := []stock.SupplyUse{{Kind: stock.SupplyShippingNotice, Document: "asn-1", Line: "2", Location: "berlin", DueAt: noon, Quantity: 2}}
	return []aggregates.Event{
		&stock.StockReceived{Location: "berlin", Condition: stock.Inspection, Quantity: 40, Absorbed: count, Supply: changes},
		&stock.TransferShipped{Location: "berlin", Destination: "köln", Quantity: 6, TransferID: "t-1", Absorbed: count,
			DueAt: noon, Supply: changes},
		&stock.TransferReceived{Location: "köln", Origin: "berlin", Quantity: 5, TransferID: "t-1", Condition: stock.Damaged,
			Absorbed: count, Supply: changes},
		&stock.ReservationPlaced{ReservationID: "cart-1", Channel: "web", Quantity: 4, Splits: splits, ExpiresAt: noon,
			PromiseAt: noon + aggregates.Second, Supply: uses},
		&stock.ReservationConfirmed{ReservationID: "cart-1", ExpiredAt: noon, Splits: splits, PromiseAt: noon},
		&stock.ReservationExtended{ReservationID: "cart-1", From: noon, ExpiresAt: noon + 60*aggregates.Second, Splits: splits,
			PromiseAt: noon},
		&stock.ReservationFulfilled{ReservationID: "cart-1", ExpiresAt: noon, Closed: true, PromiseAt: noon,
			Splits: []stock.FulfilledSplit{{Location: "berlin", ReservedAt: "berlin", Quantity: 2}}},
		&stock.ReservationReleased{ReservationID: "cart-1", Splits: splits, ExpiresAt: noon, Closed: true, Reason: "changed mind",
			PromiseAt: noon},
		&stock.ReservationExpired{ReservationID: "cart-1", Splits: splits, ExpiresAt: noon, PromiseAt: noon},
	}
}
