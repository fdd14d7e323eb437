// Package redistest starts real Redis servers for tests: each on a free port of loopback, in a directory of its own,
// ended with the test. Tests are skipped when redis-server is not installed, unless STOCKFOLD_INTEGRATION is set.
package redistest
