// Package api is the transport: it puts the services on gRPC and, through an in-process connection to the same gRPC
// server, on REST, so that interceptors, limits and errors are the same on both.
//
// It owns the one table that turns errors into statuses with google.rpc details (errors.go), what a REST path, query
// and body may look like, health and readiness, the OpenAPI document with its page, and the graceful stop. It
// guarantees: a caller learns what was refused and why, by stable reasons, and never what is none of his business; no
// call is without bounds in size, time or number; whatever was accepted is finished when it stops. It leaves to the
// services what a call means.
//
// REST, where it differs from what the gateway does by itself: ids in paths may hold anything printable, "/" and "%"
// included, when percent-encoded; fields and parameters that are not in the contract are refused, not ignored;
// FAILED_PRECONDITION is 409 Conflict; errors carry Retry-After where trying again may help; a request's id is taken
// from X-Request-Id and given back; a request that calls the service by another name than localhost or an address is refused, since
// a page of another site may be behind it. A header "Grpc-Timeout: 500m" (number and unit H, M, S, m, u, n) bounds a call.
package api
