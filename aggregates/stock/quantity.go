package stock

import "math"

// add returns a + b and whether it fits.
func add(a, b int64) (int64, bool) {
	c := a + b
	return c, (c > a) == (b > 0)
}

// sub returns a - b and whether it fits.
func sub(a, b int64) (int64, bool) {
	c := a - b
	return c, (c < a) == (b > 0)
}

// addUp returns a + b for amounts that are not negative, at most the largest one that fits.
func addUp(a, b int64) int64 {
	if c, ok := add(a, b); ok {
		return c
	}
	return math.MaxInt64
}

// units returns a quantity in base units of the item: as given, or read from its decimal text.
func units(quantity int64, text string, item *Item, lowest int64) (int64, error) {
	if text != "" {
		if quantity != 0 {
			return 0, &NumberError{Text: text, Rule: "is given beside a quantity in base units; give one of them"}
		}
		var err error
		if quantity, err = parseDecimal(text, item.Decimals); err != nil {
			return 0, err
		}
	}
	if quantity < lowest || quantity > MaxQuantity {
		return 0, &QuantityError{Quantity: quantity, Min: lowest, Max: MaxQuantity}
	}
	return quantity, nil
}

// parseDecimal reads "[+-]digits[.digits]" as base units of an item with so many decimals. Zeros at the end carry
// nothing and do not count as decimals; nothing is rounded.
func parseDecimal(text string, decimals int) (int64, error) {
	digits, negative := text, false
	if digits != "" && (digits[0] == '-' || digits[0] == '+') {
		negative, digits = digits[0] == '-', digits[1:]
	}
	whole, fraction, err := cutDecimal(text, digits)
	if err != nil {
		return 0, err
	}
	if len(fraction) > decimals {
		return 0, &DecimalsError{Text: text, Decimals: decimals}
	}
	var value int64
	for i := range len(whole) + decimals {
		digit := int64(0)
		switch {
		case i < len(whole):
			digit = int64(whole[i] - '0')
		case i-len(whole) < len(fraction):
			digit = int64(fraction[i-len(whole)] - '0')
		}
		if value = value*10 + digit; value > MaxQuantity {
			return 0, &NumberError{Text: text, Rule: "is too large"}
		}
	}
	if negative {
		value = -value
	}
	return value, nil
}

// cutDecimal separates the digits before and after the point, without zeros at the very end.
func cutDecimal(text, digits string) (whole, fraction string, err error) {
	point := len(digits)
	for i := range len(digits) {
		switch c := digits[i]; {
		case c == '.' && point == len(digits) && i > 0 && i < len(digits)-1:
			point = i
		case c < '0' || c > '9':
			return "", "", &NumberError{Text: text, Rule: "is not a decimal number such as 5 or 5.25"}
		}
	}
	if digits == "" {
		return "", "", &NumberError{Text: text, Rule: "is not a decimal number such as 5 or 5.25"}
	}
	if point == len(digits) {
		return digits, "", nil
	}
	fraction = digits[point+1:]
	for fraction != "" && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	return digits[:point], fraction, nil
}
