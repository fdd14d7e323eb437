package availability

// Fill takes room for answers from streams, or gives it back.
func (s *Service) Fill(skus int64) { s.fromStreams.Add(skus) }
