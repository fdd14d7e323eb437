package policyfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Bounds of requests.
const (
	applyAtOnce   = 500     // changes of one ApplyPolicies
	applyBytes    = 2 << 20 // of one ApplyPolicies
	previewAtOnce = 10_000  // changes of one PreviewPolicies, those that SKUs share left aside
	previewBytes  = 1 << 20 // of them
	sharedAtOnce  = 10_000  // changes that SKUs share, of a preview: each of its requests has them
	sharedBytes   = 2 << 20 // of them
	tries         = 6       // of one request
	firstPause    = 200 * time.Millisecond
)

// TooManySharedError says that a file changes more of what SKUs share, kits among it, than a preview takes.
type TooManySharedError struct{ Changes int }

func (e *TooManySharedError) Error() string {
	return fmt.Sprintf("%d kits, rules that SKUs share, and rules of components of kits would change, a preview takes %d; apply the file in parts", e.Changes, sharedAtOnce)
}

// Service is the service whose rules are read and changed.
type Service struct {
	Client pb.PolicyServiceClient
	Actor  string

	components map[string]bool // of kits, as last exported
}

// Export reads all rules, in order, and how many SKUs are known. seen is told of SKUs as they come.
func (s *Service) Export(ctx context.Context, seen func(skus int)) (rules []Rule, skus int64, err error) {
	stream, err := s.Client.ExportPolicies(ctx, &pb.ExportPoliciesRequest{})
	if err != nil {
		return nil, 0, err
	}
	s.components = map[string]bool{}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			slices.SortFunc(rules, func(a, b Rule) int { return compare(&a, &b) })
			return rules, skus, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("export rules: %w", err)
		}
		for _, r := range part.Rules {
			rule, known := newRule(r, 0)
			if !known {
				return nil, 0, fmt.Errorf("the service has a kind of rules that this program does not know: use one of its version")
			}
			rules = append(rules, rule)
			for _, c := range r.GetKit().GetComponents() {
				s.components[c.Sku] = true
			}
		}
		seen(int(part.Skus - skus))
		skus = part.Skus
	}
}

// Refused is a change that the service refuses, with its reason.
type Refused struct {
	*Change
	Reason, Message string
}

// Totals are what a preview comes to.
type Totals struct{ SKUs, SKUsChanged, ValuesChanged int64 }

// Preview asks what changes, as Changes gives them, would come to. value is told of each ATS that would change, in order of SKU and channel; seen of SKUs as they
// are computed.
func (s *Service) Preview(ctx context.Context, changes []Change, value func(*pb.PreviewedValue) error, seen func(skus int)) (t Totals, refused []Refused, err error) {
	shared, requests, err := previews(changes, s.components)
	if err != nil {
		return t, nil, err
	}
	for n, r := range requests {
		first := n == 0
		part, err := s.preview(ctx, r.message, value, seen, func(x *pb.PolicyResult) {
			if i := int(x.Index); i >= len(shared)+len(r.own) {
				return // it is told by the request of its SKU's range
			} else if i >= len(shared) {
				refused = append(refused, Refused{r.own[i-len(shared)], x.Reason, x.Message})
			} else if first {
				refused = append(refused, Refused{shared[i], x.Reason, x.Message})
			}
		})
		if err != nil {
			return t, nil, fmt.Errorf("preview: %w", err)
		}
		t.SKUs, t.SKUsChanged, t.ValuesChanged = t.SKUs+part.SKUs, t.SKUsChanged+part.SKUsChanged, t.ValuesChanged+part.ValuesChanged
	}
	return t, refused, nil
}

func (s *Service) preview(ctx context.Context, r *pb.PreviewPoliciesRequest, value func(*pb.PreviewedValue) error, seen func(int), refused func(*pb.PolicyResult)) (t Totals, err error) {
	stream, err := s.Client.PreviewPolicies(ctx, r)
	if err != nil {
		return t, err
	}
	for {
		part, err := stream.Recv()
		if err != nil {
			return t, err
		}
		for _, x := range part.Refused {
			refused(x)
		}
		for _, v := range part.Values {
			if err := value(v); err != nil {
				return t, err
			}
		}
		seen(int(part.Skus - t.SKUs))
		t = Totals{part.Skus, part.SkusChanged, part.ValuesChanged}
		if part.Done {
			return t, nil
		}
	}
}

// previewing is one request of a preview: a range of SKUs, with their own changes after the shared ones.
type previewing struct {
	message *pb.PreviewPoliciesRequest
	own     []*Change
}

// previews cuts changes into requests. What changes of components of kits is in each of them: a kit may be in another range.
func previews(changes []Change, components map[string]bool) (shared []*Change, requests []previewing, err error) {
	var own, parts []*Change
	components = maps.Clone(components)
	for i := range changes {
		for _, c := range changes[i].rule().GetKit().GetComponents() {
			if components == nil {
				components = map[string]bool{}
			}
			components[c.Sku] = true
		}
	}
	bytes, partBytes := 0, 0
	for i := range changes {
		switch c := &changes[i]; {
		case c.rule().sku == "":
			shared, bytes = append(shared, c), bytes+proto.Size(c.Message)
		case components[c.rule().sku]:
			parts, partBytes = append(parts, c), partBytes+proto.Size(c.Message)
			own = append(own, c)
		default:
			own = append(own, c)
		}
	}
	slices.SortStableFunc(own, func(a, b *Change) int { return cmp.Compare(a.rule().sku, b.rule().sku) })
	if cut(own) < len(own) {
		bytes += partBytes
	} else {
		parts = nil
	}
	if n := len(shared) + len(parts); n > sharedAtOnce || bytes > sharedBytes {
		return nil, nil, &TooManySharedError{Changes: n}
	}
	after := ""
	for {
		n := cut(own)
		r := previewing{own: own[:n], message: &pb.PreviewPoliciesRequest{AfterSku: after}}
		for _, c := range slices.Concat(shared, own[:n]) {
			r.message.Changes = append(r.message.Changes, c.Message)
		}
		for _, c := range parts {
			if sku := c.rule().sku; n == 0 || sku < own[0].rule().sku || sku > own[n-1].rule().sku {
				r.message.Changes = append(r.message.Changes, c.Message)
			}
		}
		if own = own[n:]; len(own) > 0 {
			after = r.own[n-1].rule().sku
			r.message.ThroughSku = after
		}
		if requests = append(requests, r); len(own) == 0 {
			return shared, requests, nil
		}
	}
}

// cut is how many changes of SKUs go into one request: all of a SKU are in one.
func cut(own []*Change) int {
	bytes, whole := 0, 0
	for i, c := range own {
		if i > 0 && c.rule().sku != own[i-1].rule().sku {
			whole = i
		}
		if bytes += proto.Size(c.Message); whole > 0 && (i >= previewAtOnce || bytes > previewBytes) {
			return whole
		}
	}
	return len(own)
}

// Apply makes changes, as Changes gives them, in their order. told is told what became of each. After an error some may have been made: apply the file again.
func (s *Service) Apply(ctx context.Context, changes []Change, told func(*Change, *pb.PolicyResult)) error {
	for len(changes) > 0 {
		n, bytes := 0, 0
		r := &pb.ApplyPoliciesRequest{Actor: s.Actor}
		for n < len(changes) && n < applyAtOnce && (n == 0 || bytes < applyBytes) {
			bytes += proto.Size(changes[n].Message)
			r.Changes = append(r.Changes, changes[n].Message)
			n++
		}
		answer, err := s.applyOnce(ctx, r)
		if err != nil {
			return fmt.Errorf("apply rules: %w", err)
		}
		for i, result := range answer.Results {
			told(&changes[i], result)
		}
		changes = changes[n:]
	}
	return nil
}

// applyOnce repeats a request that may succeed later: it is safe to repeat.
func (s *Service) applyOnce(ctx context.Context, r *pb.ApplyPoliciesRequest) (answer *pb.ApplyPoliciesResponse, err error) {
	pause := firstPause
	for try := 0; ; try++ {
		answer, err = s.Client.ApplyPolicies(ctx, r)
		if err == nil || try == tries-1 || !again(err) {
			return answer, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
		pause *= 2
	}
}

// again tells whether a request may succeed when it is repeated.
func again(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.Aborted, codes.DeadlineExceeded:
		return true
	}
	return false
}
