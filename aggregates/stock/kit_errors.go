package stock

import (
	"fmt"
	"strings"
)

// KitError says that the SKU is a kit: what is asked for concerns its components.
type KitError struct {
	Kit Kit
}

func (e *KitError) Error() string {
	return fmt.Sprintf("the SKU is a kit of %d components and holds no stock of its own; say it of its components, such as %q",
		len(e.Kit.Components), e.Kit.Components[0].SKU)
}

// KitHoldsError refuses to make a kit of a SKU that has something of its own.
type KitHoldsError struct {
	What     string
	Quantity int64
}

func (e *KitHoldsError) Error() string {
	return fmt.Sprintf("a kit holds nothing of its own, and the SKU has %s: %d; move that away first, or define the kit under another SKU", e.What, e.Quantity)
}

// NestedKitError refuses a kit that would be made of kits, or be in one.
type NestedKitError struct {
	Component string       // that is a kit; "" when it is the SKU itself that is in the way
	Kits      []Membership // that the SKU is a component of
}

// maxKitsNamed is how many kits an error names.
const maxKitsNamed = 5

func (e *NestedKitError) Error() string {
	if len(e.Kits) == 0 {
		return fmt.Sprintf("component %q is a kit itself, and a kit is not made of kits; name what that is made of", e.Component)
	}
	var names []string
	for _, m := range e.Kits[:min(len(e.Kits), maxKitsNamed)] {
		names = append(names, fmt.Sprintf("%q", m.Kit))
	}
	return fmt.Sprintf("the SKU is a component of %d kits, such as %s, and a kit is not made of kits; define those without it first",
		len(e.Kits), strings.Join(names, ", "))
}

// KitChangedError refuses a definition that was made on an older one.
type KitChangedError struct{ Version uint64 }

func (e *KitChangedError) Error() string {
	return fmt.Sprintf("the kit was defined anew meanwhile, it is at definition %d now; look at that and try again", e.Version)
}

// ComponentError refuses a component.
type ComponentError struct{ SKU, Rule string }

func (e *ComponentError) Error() string { return fmt.Sprintf("component %q %s", e.SKU, e.Rule) }
