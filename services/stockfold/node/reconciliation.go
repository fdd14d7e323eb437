package node

import (
	"github.com/stockfold/stockfold/adapters/kafka"
	"github.com/stockfold/stockfold/services/history"
	"github.com/stockfold/stockfold/services/reconciliation"
)

// startReconciliation makes the service that compares snapshots, and carries on with runs that came by message or that a crash left.
func (n *Node) startReconciliation() {
	c := reconciliation.Config{Runs: n.runs, List: n.runList, Store: n.events, Recorder: n.recorder, Letters: n.desk, Directory: n.policies,
		Items: n.availability, History: history.New(n.events, n.desk, now), Dir: n.config.Data, Now: now, Log: n.log}
	if len(n.Brokers) > 0 {
		c.MessageLog = kafka.NewLog(n.kafka)
	}
	n.reconciliation = reconciliation.New(c)
	n.desk.Snapshots = n.reconciliation
	if !n.config.has(RoleProject) { // without read models no complete snapshot can be compared
		return
	}
	n.parts.loop("reconciliation", n.fail, n.reconciliation.Run)
	if n.config.ReconcileDir != "" {
		n.parts.loop("directory of snapshots", n.fail, (&reconciliation.Folder{Service: n.reconciliation, Dir: n.config.ReconcileDir, Log: n.log}).Run)
	}
}
