package ingest

import pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"

func (s *scan) sale(m *pb.Sale) {
	var seen uint32
	for name, ok := s.open(); ok; name, ok = s.next() {
		switch string(name) {
		case "document":
			s.once(&seen, 1)
			m.Document = s.str()
		case "location":
			s.once(&seen, 2)
			m.Location = s.str()
		case "channel":
			s.once(&seen, 3)
			m.Channel = s.str()
		case "lines":
			s.once(&seen, 4)
			for ok := s.openArray(); ok; ok = s.nextElement() {
				line := &pb.SaleLine{}
				s.saleLine(line)
				m.Lines = append(m.Lines, line)
			}
		case "actor":
			s.once(&seen, 5)
			m.Actor = s.str()
		default:
			s.giveUp()
		}
	}
}

func (s *scan) saleLine(l *pb.SaleLine) {
	var seen uint32
	for name, ok := s.open(); ok; name, ok = s.next() {
		switch string(name) {
		case "sku":
			s.once(&seen, 1)
			l.Sku = s.str()
		case "quantity":
			s.once(&seen, 2)
			l.Quantity = s.integer()
		case "decimal":
			s.once(&seen, 3)
			l.Decimal = s.str()
		case "line":
			s.once(&seen, 4)
			l.Line = s.str()
		case "reservationId", "reservation_id":
			s.once(&seen, 5)
			l.ReservationId = s.str()
		case "returned":
			s.once(&seen, 6)
			l.Returned = s.boolean()
		default:
			s.giveUp()
		}
	}
}
