package availability

// KeepChanges sets how many changes are kept to resume from; before Run.
func (p *Projection) KeepChanges(n int) { p.hub.keep = n }

// Loads changes when the read model is loaded anew.
func (p *Projection) Loads() uint64 { return p.runner.Loads() }
