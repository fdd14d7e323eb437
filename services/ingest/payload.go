package ingest

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// The data of a message is the JSON mapping of a message in the proto contract. A name that the contract does not
// have is an error: a misspelt field would otherwise be lost in silence.

// decodeMovement reads a Movement.
func decodeMovement(data []byte) (*pb.Movement, error) {
	s := scan{b: data}
	m := &pb.Movement{}
	if s.movement(m); s.end() {
		return m, nil
	}
	m = &pb.Movement{}
	return m, decodeReference(data, m)
}

// decodeSale reads a Sale.
func decodeSale(data []byte) (*pb.Sale, error) {
	s := scan{b: data}
	m := &pb.Sale{}
	if s.sale(m); s.end() {
		return m, nil
	}
	m = &pb.Sale{}
	return m, decodeReference(data, m)
}

// decodeReference is the decoder that decides what is right.
func decodeReference(data []byte, m proto.Message) error {
	err := protojson.Unmarshal(data, m)
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ") // the library varies its spaces on purpose
	return fmt.Errorf("data is not a %s: %s", m.ProtoReflect().Descriptor().Name(), strings.TrimPrefix(text, "proto: "))
}

// once notes that a field was read, and gives up when it was before.
func (s *scan) once(seen *uint32, field uint) {
	if *seen&(1<<field) != 0 {
		s.giveUp()
	}
	*seen |= 1 << field
}

func (s *scan) condition() pb.Condition {
	if s.peek() != '"' {
		return pb.Condition(s.number32())
	}
	switch string(s.text()) {
	case "CONDITION_UNSPECIFIED":
		return pb.Condition_CONDITION_UNSPECIFIED
	case "CONDITION_SELLABLE":
		return pb.Condition_CONDITION_SELLABLE
	case "CONDITION_INSPECTION":
		return pb.Condition_CONDITION_INSPECTION
	case "CONDITION_DAMAGED":
		return pb.Condition_CONDITION_DAMAGED
	case "CONDITION_QUARANTINED":
		return pb.Condition_CONDITION_QUARANTINED
	}
	s.giveUp()
	return 0
}

func (s *scan) timestamp() *timestamppb.Timestamp {
	t, ok := parseTime(string(s.text()))
	if !ok {
		s.giveUp()
		return nil
	}
	return &timestamppb.Timestamp{Seconds: t.Unix(), Nanos: int32(t.Nanosecond())}
}

// The earliest and latest second of a timestamp in the proto contract: the years 1 to 9999.
const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

// parseTime reads a time as RFC 3339 has it, with up to nine decimals of a second.
func parseTime(text string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Unix() < minSeconds || t.Unix() > maxSeconds {
		return time.Time{}, false
	}
	point, zone := strings.LastIndexByte(text, '.'), strings.LastIndexAny(text, "Z-+")
	if point >= 0 && zone >= point && zone-point > len(".999999999") {
		return time.Time{}, false
	}
	return t, true
}
