package ingest

import (
	"fmt"

	"github.com/stockfold/stockfold/services/stock"
)

// verdict is what became of the facts of one message.
type verdict struct {
	applied   []int32          // lines in the message, from 1, that are recorded, now or before
	rejection *stock.Rejection // why others cannot be applied
	err       error            // why others were not, though they may be later; it outranks the rejection
}

// judge sums up the results of facts, whose lines in their message are given.
func judge(all []stock.Fact, lines []int32, results []stock.Result) verdict {
	var v verdict
	for i := range results {
		err := results[i].Err
		switch rejection := stock.Reject(err); {
		case err == nil:
			v.applied = append(v.applied, lines[i])
		case rejection == nil:
			v.err = fmt.Errorf("SKU %q: %w", all[i].SKU, err)
		case v.rejection == nil:
			named := *rejection
			if len(results) > 1 {
				named.Message = fmt.Sprintf("line %d, SKU %q: %s", lines[i], all[i].SKU, named.Message)
			}
			v.rejection = &named
		}
	}
	if v.rejection != nil && len(v.applied) > 0 {
		v.rejection.Message += fmt.Sprintf(" (lines %v are applied)", v.applied)
	}
	return v
}

// unlessRejected is an error that says nothing about the facts themselves, nil for any other.
func unlessRejected(err error) error {
	if stock.Reject(err) != nil {
		return nil
	}
	return err
}

func internal(err error) *stock.Rejection {
	return &stock.Rejection{Reason: ReasonInternal, Message: "the service failed on it: " + err.Error()}
}
