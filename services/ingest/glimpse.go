package ingest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/stockfold/stockfold/aggregates"
	domain "github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/services/stock"
	"github.com/stockfold/stockfold/services/validation"
)

// Bounds of looking into a message that cannot be read.
const (
	maxGlimpsed      = 1 << 20 // bytes of a message; of a longer one the key is all that is known
	maxGlimpsedDepth = 8
	maxGlimpses      = stock.MaxSaleLines
)

// Glimpse is what can be made out of a dead letter that cannot be read as facts: what it is about, as far as it says so, whatever rules it breaks.
type Glimpse struct {
	SKU        string
	Location   string // "" when it does not say
	Source     string
	Document   string
	OccurredAt aggregates.Instant // 0 when it does not say
	ByKey      bool               // the message's key is all that names the SKU

	// Movement is what it would change, nil when that cannot be made out. Its decimal may be more than the item has.
	Movement *domain.Movement
}

// LoggedAt is when the message entered the log that it came from; of a movement that came by RPC, when it occurred.
func (l *DeadLetter) LoggedAt() aggregates.Instant {
	ms, err := strconv.ParseInt(l.ID[:min(len(l.ID), 11)], 16, 64)
	if err != nil {
		return l.ReceivedAt
	}
	return aggregates.Instant(ms * 1_000)
}

// Glimpses are what can be made out of a letter about stock that cannot be read as facts; none when it names no SKU. It never fails: the bytes are anybody's.
func (l *DeadLetter) Glimpses() []Glimpse {
	topic, _, _ := strings.Cut(l.Topic, "#")
	incident := l.Reason == ReasonSequenceGap || l.Reason == ReasonMessagesLost || l.Reason == ReasonLogReplaced
	if incident || topic != TopicMovements && topic != TopicSales && topic != TopicRPC {
		return nil
	}
	event, data := l.peek()
	list := glimpses(event, data)
	if len(list) == 0 && topic != TopicSales { // whose key is a store or a receipt
		if key := idOf(string(l.Key)); key != "" {
			list = []Glimpse{{SKU: key, ByKey: true}}
		}
	}
	for i := range list {
		if at, ok := parseTime(firstText(data, "occurredAt", "occurred_at")); ok {
			list[i].OccurredAt = aggregates.At(at)
		} else if at, ok := parseTime(firstText(event, "time")); ok {
			list[i].OccurredAt = aggregates.At(at)
		}
	}
	return list
}

// peek finds the attributes of an event, and its data, in a letter's message.
func (l *DeadLetter) peek() (event, data map[string]any) {
	if len(l.Value) > maxGlimpsed {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(l.Value))
	d.UseNumber()
	value, _ := peekValue(d, 0)
	data, _ = value.(map[string]any)
	event = map[string]any{}
	for i := range l.Headers {
		if name, ok := strings.CutPrefix(l.Headers[i].Key, headerPrefix); ok {
			event[name] = string(l.Headers[i].Value)
		}
	}
	if inner, structured := data["data"].(map[string]any); structured {
		event, data = data, inner
	}
	return event, data
}

// peekValue reads a JSON value as far as it can be read; ok is false when it ends too early or is broken.
func peekValue(d *json.Decoder, depth int) (value any, ok bool) {
	t, err := d.Token()
	open, nested := t.(json.Delim)
	if err != nil || !nested {
		return t, err == nil
	}
	if depth == maxGlimpsedDepth {
		return nil, false
	}
	members, list := map[string]any{}, []any{}
	for d.More() {
		var name string
		if open == '{' {
			t, err := d.Token()
			if name, ok = t.(string); err != nil || !ok {
				return members, false
			}
		}
		v, whole := peekValue(d, depth+1)
		if _, again := members[name]; again {
			v = nil // it says two things
		}
		if open == '{' {
			members[name] = v
		} else {
			list = append(list, v)
		}
		if !whole {
			break
		}
	}
	_, err = d.Token()
	if open == '[' {
		return list, err == nil
	}
	return members, err == nil
}

// glimpses are what the data of a movement, or of a sale, is about.
func glimpses(event, data map[string]any) (all []Glimpse) {
	about := Glimpse{Location: idOf(firstText(data, "location")), Source: idOf(firstText(data, "source")), Document: idOf(firstText(data, "document"))}
	if about.Source == "" {
		about.Source = idOf(firstText(event, "source"))
	}
	if g := about; idOf(firstText(data, "sku")) != "" {
		g.SKU, g.Movement = idOf(firstText(data, "sku")), movementIn(data, about.Location)
		return []Glimpse{g}
	}
	lines, _ := data["lines"].([]any)
	for _, line := range lines[:min(len(lines), maxGlimpses)] {
		members, _ := line.(map[string]any)
		g := about
		if g.SKU = idOf(firstText(members, "sku")); g.SKU == "" {
			continue
		}
		kind := domain.KindSold
		if members["returned"] == true {
			kind = domain.KindReturned
		}
		g.Movement = amountIn(members, domain.Movement{Kind: kind, Location: g.Location})
		all = append(all, g)
	}
	return all
}

// kindsOf are the members of a movement that say what it is, of those that change what lies somewhere.
var kindsOf = map[string]domain.Kind{
	"received": domain.KindReceived, "sold": domain.KindSold, "returned": domain.KindReturned, "adjusted": domain.KindAdjusted, "counted": domain.KindCounted,
	"transferShipped": domain.KindTransferShipped, "transfer_shipped": domain.KindTransferShipped,
	"transferReceived": domain.KindTransferReceived, "transfer_received": domain.KindTransferReceived,
}

var glimpsedConditions = []string{"CONDITION_SELLABLE", "CONDITION_INSPECTION", "CONDITION_DAMAGED", "CONDITION_QUARANTINED"}

// movementIn is what a movement's data would change; nil when it is of no kind, or of several.
func movementIn(data map[string]any, location string) *domain.Movement {
	m := domain.Movement{Location: location}
	for name, kind := range kindsOf {
		members, given := data[name].(map[string]any)
		if !given {
			continue
		}
		if m.Kind != 0 {
			return nil
		}
		m.Kind = kind
		if condition := firstText(members, "condition"); condition != "" && condition != "CONDITION_UNSPECIFIED" {
			at := slices.Index(glimpsedConditions, condition)
			if at < 0 {
				return nil
			}
			m.Condition = domain.Condition(at)
		}
	}
	return amountIn(data, m)
}

// amountIn completes a movement by its amount; nil when there is none that could be meant.
func amountIn(members map[string]any, m domain.Movement) *domain.Movement {
	if m.Kind == 0 || m.Location == "" {
		return nil
	}
	m.Decimal = firstText(members, "decimal")
	text := firstText(members, "quantity")
	if number, ok := members["quantity"].(json.Number); ok {
		text = number.String()
	}
	var err error
	if m.Decimal == "" {
		m.Quantity, err = strconv.ParseInt(text, 10, 64)
	} else if text != "" && text != "0" {
		return nil
	}
	smallest := int64(0)
	if m.Kind == domain.KindAdjusted {
		smallest = -validation.MaxQuantity
	}
	if err != nil || m.Quantity < smallest || m.Quantity > validation.MaxQuantity {
		return nil
	}
	return &m
}

// firstText is the first of some members that is a text.
func firstText(members map[string]any, names ...string) string {
	for _, name := range names {
		if text, ok := members[name].(string); ok {
			return text
		}
	}
	return ""
}

// idOf is a text that can be an id; "" when it cannot.
func idOf(text string) string {
	var c validation.Checker
	if c.ID("id", text); c.Err() != nil {
		return ""
	}
	return text
}
