package policy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// The commands of the service as messages: of the topic stockfold.policy.v1, whose data is the JSON mapping of the request of the RPC that the
// message's type names. To add one is a line in the table.

// Types of CloudEvents are named after the RPC: "stockfold.policy.PutItem.v1".
const (
	typePrefix = "stockfold.policy."
	typeSuffix = ".v1"
)

// TypeOf is the type of the CloudEvent that brings a command, given the name of its RPC.
func TypeOf(rpc string) string { return typePrefix + rpc + typeSuffix }

// subject is what a command is about. Commands with the same key are taken in the order in which they were sent; those about the same, by one source with
// numbers, supersede each other by their numbers.
type subject struct {
	key, about string
	ofSKU      bool // one of its own: taken beside those of other SKUs
}

// kind is a kind of command.
type kind struct {
	rpc     string
	request func() proto.Message
	of      func(proto.Message) subject
	do      func(context.Context, *Service, proto.Message) error
}

// command makes a kind of an RPC's method.
func command[R any, P interface {
	*R
	proto.Message
}, A any](rpc string, do func(*Service, context.Context, P) (A, error), of func(P) subject) kind {
	return kind{rpc: rpc,
		request: func() proto.Message { return P(new(R)) },
		of:      func(m proto.Message) subject { return of(m.(P)) },
		do: func(ctx context.Context, s *Service, m proto.Message) error {
			_, err := do(s, ctx, m.(P))
			return err
		}}
}

var kinds = []kind{
	command("PutItem", (*Service).describeItem, func(r *pb.PutItemRequest) subject { return one("item", r.GetItem().GetSku()).own() }),
	command("PutLocation", (*Service).PutLocation, func(r *pb.PutLocationRequest) subject { return one("location", r.GetLocation().GetLocationId()) }),
	command("PutChannel", (*Service).PutChannel, func(r *pb.PutChannelRequest) subject { return one("channel", r.GetChannel().GetChannelId()) }),
	command("RetireChannel", (*Service).RetireChannel, func(r *pb.RetireChannelRequest) subject { return one("channel", r.ChannelId) }),
	command("PutOwners", (*Service).PutOwners, func(r *pb.PutOwnersRequest) subject { return one("owners", r.GetOwners().GetLocationId()) }),
	command("PutSafetyRule", (*Service).PutSafetyRule, func(r *pb.PutSafetyRuleRequest) subject { return ofSafety(r.Rule) }),
	command("DeleteSafetyRule", (*Service).DeleteSafetyRule, func(r *pb.DeleteSafetyRuleRequest) subject { return ofSafety(r.Rule) }),
	command("PutBufferRule", (*Service).PutBufferRule, func(r *pb.PutBufferRuleRequest) subject { return ofBuffer(r.Rule) }),
	command("DeleteBufferRule", (*Service).DeleteBufferRule, func(r *pb.DeleteBufferRuleRequest) subject { return ofBuffer(r.Rule) }),
	command("PutAllocation", (*Service).PutAllocation, func(r *pb.PutAllocationRequest) subject {
		return several("allocation", r.GetAllocation().GetSku(), r.GetAllocation().GetChannel(), r.GetAllocation().GetGroup()).own()
	}),
	command("PutSellingRule", (*Service).PutSellingRule, func(r *pb.PutSellingRuleRequest) subject {
		return several("selling", r.GetRule().GetSku(), r.GetRule().GetChannel()).own()
	}),
	command("PutKit", (*Service).PutKit, func(r *pb.PutKitRequest) subject { return one("kit", r.GetKit().GetSku()) }),
	command("PutLocationGroup", (*Service).PutLocationGroup, func(r *pb.PutLocationGroupRequest) subject { return one("group", r.GetGroup().GetGroup()) }),
	command("PutFulfilmentRule", (*Service).PutFulfilmentRule, func(r *pb.PutFulfilmentRuleRequest) subject { return one("fulfilment", r.GetRule().GetMethod()) }),
	command("DeleteFulfilmentRule", (*Service).DeleteFulfilmentRule, func(r *pb.DeleteFulfilmentRuleRequest) subject { return one("fulfilment", r.Method) }),
	command("PutReallocationRule", (*Service).PutReallocationRule, func(r *pb.PutReallocationRuleRequest) subject { return ofReallocation(r.Rule) }),
	command("DeleteReallocationRule", (*Service).DeleteReallocationRule, func(r *pb.DeleteReallocationRuleRequest) subject { return ofReallocation(r.Rule) }),
	command("PutReturnRule", (*Service).PutReturnRule, func(r *pb.PutReturnRuleRequest) subject { return ofReturn(r.Rule) }),
	command("DeleteReturnRule", (*Service).DeleteReturnRule, func(r *pb.DeleteReturnRuleRequest) subject { return ofReturn(r.Rule) }),
}

// own says that the key is a SKU.
func (s subject) own() subject {
	s.ofSKU = true
	return s
}

func one(what, id string) subject { return subject{key: id, about: what + " " + id} }

// several is about what several names say together; the first is the key.
func several(what, key string, names ...string) subject {
	s := one(what, fmt.Sprintf("%q", append([]string{key}, names...)))
	s.key = key
	return s
}

func ofSafety(r *pb.SafetyRule) subject {
	s := several("safety", cmp.Or(r.GetSku(), r.GetCategory(), r.GetLocation(), r.GetChannel()), r.GetSku(), r.GetCategory(), r.GetLocation(), r.GetChannel())
	s.about += during(r.GetFrom(), r.GetUntil())
	s.ofSKU = r.GetSku() != ""
	return s
}

func ofBuffer(r *pb.BufferRule) subject {
	s := several("buffer", cmp.Or(r.GetSku(), r.GetCategory()), r.GetSku(), r.GetCategory(), r.GetChannel())
	s.about += during(r.GetFrom(), r.GetUntil())
	s.ofSKU = r.GetSku() != ""
	return s
}

func ofReallocation(r *pb.ReallocationRule) subject {
	return several("reallocation", cmp.Or(r.GetChannel(), r.GetLocation(), "reallocation"), r.GetChannel(), r.GetLocation())
}

func ofReturn(r *pb.ReturnRule) subject {
	return several("returns", cmp.Or(r.GetSku(), r.GetCategory(), r.GetChannel(), "returns"), r.GetSku(), r.GetCategory(), r.GetChannel())
}

func during(from, until *timestamppb.Timestamp) string {
	if from == nil && until == nil {
		return ""
	}
	return fmt.Sprintf(" %d %d", codec.Instant(from), codec.Instant(until))
}

// Command is what one message says.
type Command struct {
	kind    *kind
	request proto.Message
	subject
	fingerprint uint64
}

// Key is what the message is about, as the key of the topic: messages with one key are taken in their order.
func (c *Command) Key() string { return c.key }

// OfSKU tells whether the message is about a SKU of its own, not about what SKUs share.
func (c *Command) OfSKU() bool { return c.ofSKU }

// UnknownTypeError says that a CloudEvent brings no command.
type UnknownTypeError struct{ Type string }

func (e *UnknownTypeError) Error() string {
	names := make([]string, len(kinds))
	for i := range kinds {
		names[i] = kinds[i].rpc
	}
	return fmt.Sprintf("type %q is none of %sNAME%s, where NAME is one of %s", e.Type, typePrefix, typeSuffix, strings.Join(names, ", "))
}

// Commands are the names of the RPCs that messages can bring, in order.
func Commands() (names []string) {
	for i := range kinds {
		names = append(names, kinds[i].rpc)
	}
	slices.Sort(names)
	return names
}

// ReadCommand reads the data of a CloudEvent of a type. It returns *UnknownTypeError, or what is wrong with the data.
func ReadCommand(eventType string, data []byte) (*Command, error) {
	name, _ := strings.CutSuffix(strings.TrimPrefix(eventType, typePrefix), typeSuffix)
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.rpc == name && eventType == TypeOf(name) })
	if i < 0 {
		return nil, &UnknownTypeError{Type: eventType}
	}
	c := &Command{kind: &kinds[i], request: kinds[i].request()}
	if err := protojson.Unmarshal(data, c.request); err != nil {
		text := strings.ReplaceAll(err.Error(), "\u00a0", " ") // the library varies its spaces on purpose
		return nil, fmt.Errorf("data is not a %s: %s", c.request.ProtoReflect().Descriptor().Name(), strings.TrimPrefix(text, "proto: "))
	}
	c.subject = c.kind.of(c.request)
	contents, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.request)
	if err != nil {
		return nil, err
	}
	c.fingerprint = aggregates.Fingerprint(name, string(contents))
	return c, nil
}
