// Package contract gives programs the contract's OpenAPI document. The contract itself is in stockfold/inventory/v1, what is
// generated from it in gen.
package contract

import _ "embed"

// OpenAPI is the OpenAPI 2 document of all REST routes, in JSON.
//
//go:embed gen/stockfold.swagger.json
var OpenAPI []byte
