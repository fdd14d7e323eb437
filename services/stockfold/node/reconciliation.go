package node

import (
	"github.com/stockfold/stockfold/adapters/kafka"
	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/services/history"
	"github.com/stockfold/stockfold/services/reconciliation"
)

// makeReconciliation makes the service that compares snapshots.
func (n *Node) makeReconciliation() {
	c := reconciliation.Config{Runs: n.runs, List: n.runList, Store: n.events, Recorder: n.recorder, Letters: n.desk, Directory: n.policies,
		Items: n.availability, History: history.New(n.events, n.desk, now), Publications: n.told(), Dir: n.config.Data, Now: now, Log: n.log}
	if len(n.Brokers) > 0 {
		c.MessageLog = kafka.NewLog(n.kafka)
	}
	n.reconciliation = reconciliation.New(c)
	n.desk.Snapshots = n.reconciliation
}

// told says whether channels were told of changes. Where the events are this process's own nobody else ever published; else its records are of the time that it was
// its turn.
func (n *Node) told() *reconciliation.Told {
	return &reconciliation.Told{Records: n.published, Checkpoints: n.events,
		Since: func() (aggregates.Instant, bool) {
			if !n.config.shared() || n.publication == nil {
				return 0, n.publication != nil
			}
			at, ok := n.publication.Began()
			return aggregates.At(at), ok
		},
		Trouble: func() string {
			if n.publication == nil {
				return ""
			}
			return n.publication.Status().Error
		}}
}

// startReconciliation carries on with runs that came by message or that a crash left, and takes in what others put into a directory.
func (n *Node) startReconciliation() {
	if !n.config.has(RoleProject) { // without read models no complete snapshot can be compared
		return
	}
	n.parts.loop("reconciliation", n.fail, n.reconciliation.Run)
	if n.config.ReconcileDir != "" {
		n.parts.loop("directory of snapshots", n.fail, (&reconciliation.Folder{Service: n.reconciliation, Dir: n.config.ReconcileDir, Log: n.log}).Run)
	}
}
