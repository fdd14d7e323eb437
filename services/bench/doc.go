// Package bench measures the service as its users get it, beside a bare gRPC echo on the same machine.
//
// The server under test is a child process, `stockfold serve`, with a data directory of its own, durable as ever;
// the echo is another child of the same executable, so that both pay for the same process boundaries. What is
// compared goes over the same connections, with as many calls in flight, through the same client code and with
// messages of exactly the same sizes, in turns: echo, row, echo, row, … A row's figure is the median over its
// rounds, its ratio the median of the ratios of each round.
//
// It guarantees that what it timed was right: every answer is checked against a sum of the bench's own, and after
// each row that writes, stock and reservations must add up. An answer that does not fails the run (ErrWrong). Calls
// that fail are counted and shown. Children are stopped by their process ids and the data is removed, however the
// run ends.
//
// Rows named remote-… measure a second service, with stock and sums of its own, whose event store, Redis and Kafka are children, too. What is not to be
// had on a machine, a store or a baseline, is said to be missing.
// Rows about growth, overload and size have services of their own, whose data nothing else is in the way of. A row about growth
// has series: Get and Reserve at several sizes of one thing, each point in turns with the echo. A series is flat when
// every point keeps its share of the best one before it (Series).
//
// It is a client: it knows the contract in proto and the topics' form, and nothing of the service's inside. How the
// children are started is told by whoever calls Run. One file holds one row, or rows of a kind; see Row for how to add
// another.
package bench
