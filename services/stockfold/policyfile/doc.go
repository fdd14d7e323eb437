// Package policyfile reads and writes all rules of a service as one file, YAML for people and CSV for spreadsheets, finds what differs between a file and
// a service, and has the service preview or apply it.
//
// A file is a list of rules by kind, each with the fields of its message in the contract (PolicyRule). Reading is strict: whatever the file says that the
// contract does not have is an error, and all errors of a file are told at once, with their lines. Writing is stable: the same rules give the same bytes.
//
// What a rule may say is left to the service, which decides when it is applied. The package is a client: it knows the contract, and nothing of the service's inside.
package policyfile
