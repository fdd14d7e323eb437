package availability

// KeepChanges sets how many changes are kept to resume from; before Run.
func (p *Projection) KeepChanges(n int) { p.hub.keep = n }
