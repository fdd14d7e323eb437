package reservations

import "context"

// Find returns at once the reservations with an id that are readable now, one per SKU, in bytewise order of SKU; none
// when there is none.
func (p *Projection) Find(ctx context.Context, id string) ([]*Record, error) { return p.byID(ctx, id) }
