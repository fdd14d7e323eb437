package api

// HTTPCalls counts the HTTP requests under way.
func (s *Server) HTTPCalls() int64 { return s.calls.Load() }
