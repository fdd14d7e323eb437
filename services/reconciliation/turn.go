package reconciliation

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
)

// namesAtOnce is how many names of a directory are read at once.
const namesAtOnce = 1_000

// turn says which orders of a directory are looked at: all of them, or of more than maxOrders some after the others, in order of their names, and then from the
// beginning again. An order is taken in once two rounds saw it unchanged: so some of many are looked at twice. It holds no more names than two rounds need, however
// many lie there.
type turn struct {
	after string   // the last one whose turn it was
	again []string // that were looked at once
}

// next are the names of the orders that are looked at now.
func (t *turn) next(dir string) ([]string, error) {
	if list := t.again; list != nil {
		t.again, t.after = nil, list[len(list)-1]
		return list, nil
	}
	behind, before, err := ordersOf(dir, t.after)
	if err != nil {
		return nil, err
	}
	list := append(behind.names, before.names...)
	if len(list) <= maxOrders && !behind.more && !before.more {
		t.after = ""
		return list, nil
	}
	t.again = list[:min(len(list), maxOrders)]
	return t.again, nil
}

// ordersOf are the first orders of a directory behind a name, and the first of those that are not behind it.
func ordersOf(dir, after string) (behind, before firstNames, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return behind, before, err
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(namesAtOnce)
		for _, name := range names {
			switch {
			case !strings.HasSuffix(name, orderSuffix):
			case name > after:
				behind.add(name)
			default:
				before.add(name)
			}
		}
		if errors.Is(err, io.EOF) {
			behind.cut()
			before.cut()
			return behind, before, nil
		}
		if err != nil {
			return behind, before, err
		}
	}
}

// firstNames are the first maxOrders of the names that are added, in order once they are cut.
type firstNames struct {
	names []string
	more  bool
}

func (f *firstNames) add(name string) {
	if f.names = append(f.names, name); len(f.names) >= 2*maxOrders {
		f.cut()
	}
}

func (f *firstNames) cut() {
	slices.Sort(f.names)
	if len(f.names) > maxOrders {
		f.names, f.more = f.names[:maxOrders], true
	}
}
