package reconciliation

import "context"

// Round looks at each open run once, as Run does every few seconds.
func (s *Service) Round(ctx context.Context) error { return s.round(ctx) }
