package ingest

import pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"

// movementKind is the bit of the kinds of a movement, of which there may be one.
const movementKind = 31

func (s *scan) movement(m *pb.Movement) {
	var seen uint32
	for name, ok := s.open(); ok; name, ok = s.next() {
		switch string(name) {
		case "movementId", "movement_id":
			s.once(&seen, 1)
			m.MovementId = s.str()
		case "source":
			s.once(&seen, 2)
			m.Source = s.str()
		case "sku":
			s.once(&seen, 3)
			m.Sku = s.str()
		case "location":
			s.once(&seen, 4)
			m.Location = s.str()
		case "occurredAt", "occurred_at":
			s.once(&seen, 5)
			m.OccurredAt = s.timestamp()
		case "quantity":
			s.once(&seen, 6)
			m.Quantity = s.integer()
		case "decimal":
			s.once(&seen, 7)
			m.Decimal = s.str()
		case "document":
			s.once(&seen, 8)
			m.Document = s.str()
		case "line":
			s.once(&seen, 9)
			m.Line = s.str()
		case "correlationId", "correlation_id":
			s.once(&seen, 10)
			m.CorrelationId = s.str()
		case "actor":
			s.once(&seen, 11)
			m.Actor = s.str()
		default:
			s.once(&seen, movementKind)
			s.kind(string(name), m)
		}
	}
}

// kind reads the member of a movement that says what it is.
func (s *scan) kind(name string, m *pb.Movement) {
	switch name {
	case "received":
		k := &pb.Movement_Received{}
		s.members(func(name []byte, once func(uint)) {
			s.conditionMember(name, once, "condition", 1, &k.Condition)
		})
		m.Kind = &pb.Movement_Received_{Received: k}
	case "sold":
		k := &pb.Movement_Sold{}
		s.members(func(name []byte, once func(uint)) {
			switch string(name) {
			case "channel":
				once(1)
				k.Channel = s.str()
			case "reservationId", "reservation_id":
				once(2)
				k.ReservationId = s.str()
			default:
				s.giveUp()
			}
		})
		m.Kind = &pb.Movement_Sold_{Sold: k}
	case "counted":
		k := &pb.Movement_Counted{}
		s.members(func(name []byte, once func(uint)) {
			s.conditionMember(name, once, "condition", 1, &k.Condition)
		})
		m.Kind = &pb.Movement_Counted_{Counted: k}
	case "returned":
		m.Kind = &pb.Movement_Returned_{Returned: s.returned()}
	case "adjusted":
		m.Kind = &pb.Movement_Adjusted_{Adjusted: s.adjusted()}
	case "conditionChanged", "condition_changed":
		m.Kind = &pb.Movement_ConditionChanged_{ConditionChanged: s.conditionChanged()}
	case "transferShipped", "transfer_shipped":
		m.Kind = &pb.Movement_TransferShipped{TransferShipped: s.transferOut()}
	case "transferReceived", "transfer_received":
		m.Kind = &pb.Movement_TransferReceived{TransferReceived: s.transferIn()}
	default:
		s.giveUp()
	}
}

// members reads an object member by member; member says with once that it knows a name.
func (s *scan) members(member func(name []byte, once func(uint))) {
	var seen uint32
	once := func(field uint) { s.once(&seen, field) }
	for name, ok := s.open(); ok; name, ok = s.next() {
		member(name, once)
	}
}

func (s *scan) conditionMember(name []byte, once func(uint), want string, field uint, v *pb.Condition) {
	if string(name) != want {
		s.giveUp()
		return
	}
	once(field)
	*v = s.condition()
}

func (s *scan) returned() *pb.Movement_Returned {
	k := &pb.Movement_Returned{}
	s.members(func(name []byte, once func(uint)) {
		if string(name) == "channel" {
			once(2)
			k.Channel = s.str()
			return
		}
		s.conditionMember(name, once, "condition", 1, &k.Condition)
	})
	return k
}

func (s *scan) adjusted() *pb.Movement_Adjusted {
	k := &pb.Movement_Adjusted{}
	s.members(func(name []byte, once func(uint)) {
		if string(name) == "reason" {
			once(2)
			k.Reason = s.str()
			return
		}
		s.conditionMember(name, once, "condition", 1, &k.Condition)
	})
	return k
}

func (s *scan) conditionChanged() *pb.Movement_ConditionChanged {
	k := &pb.Movement_ConditionChanged{}
	s.members(func(name []byte, once func(uint)) {
		switch string(name) {
		case "reason":
			once(3)
			k.Reason = s.str()
		case "from":
			once(1)
			k.From = s.condition()
		default:
			s.conditionMember(name, once, "to", 2, &k.To)
		}
	})
	return k
}

func (s *scan) transferOut() *pb.Movement_TransferOut {
	k := &pb.Movement_TransferOut{}
	s.members(func(name []byte, once func(uint)) {
		switch string(name) {
		case "destination":
			once(1)
			k.Destination = s.str()
		case "transferId", "transfer_id":
			once(2)
			k.TransferId = s.str()
		default:
			s.giveUp()
		}
	})
	return k
}

func (s *scan) transferIn() *pb.Movement_TransferIn {
	k := &pb.Movement_TransferIn{}
	s.members(func(name []byte, once func(uint)) {
		switch string(name) {
		case "origin":
			once(1)
			k.Origin = s.str()
		case "transferId", "transfer_id":
			once(2)
			k.TransferId = s.str()
		default:
			s.conditionMember(name, once, "condition", 3, &k.Condition)
		}
	})
	return k
}
