// Package replicas holds the tests of several processes that share an event store, Kafka and Redis: what each of them is
// killed for and started again, all while customers reserve and tills sell. It owns no code of the service.
//
// The tests keep a ledger of what they asked for and what was acknowledged, and compare it in the end with the history, with
// what every replica answers, with what Redis holds and with what was published. They print what they counted:
//
//	make replicas
package replicas
