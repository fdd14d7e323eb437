// Package demo holds real till receipts of twelve stores over two weeks, with descriptions of what they sold, so
// that a newcomer's first question is about a real item. README.md says where they come from.
package demo

import _ "embed"

// Sales are till receipts, a CSV file compressed by gzip: the columns ts, store_id, basket_id, product_id, quantity, in order
// of time.
//
//go:embed pos-sales.csv.gz
var Sales []byte

// Items describes what was sold, a CSV file compressed by gzip: product_id, manufacturer_id, department, brand,
// product_category, product_type, package_size.
//
//go:embed items.csv.gz
var Items []byte
