package node

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stockfold/stockfold/adapters/pebble/views"
	view "github.com/stockfold/stockfold/projections/audit"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/history"
	"github.com/stockfold/stockfold/services/retention"
)

// KeyFile is the file in the data directory that holds the key which signs tree heads, where no other is named.
const KeyFile = "audit.key"

// keyVariable holds a key in the environment.
const keyVariable = "STOCKFOLD_AUDIT_KEY"

// Bounds of the settings.
const (
	minAuditEvery      = time.Second
	maxPublicationKept = 366 * 24 * time.Hour
)

func (c *Config) checkAudit() error {
	if c.AuditEvery != 0 && c.AuditEvery < minAuditEvery {
		return fmt.Errorf("--audit-every must be 0 or at least %s, is %s", minAuditEvery, c.AuditEvery)
	}
	if c.PublicationKept < 0 || c.PublicationKept > maxPublicationKept {
		return fmt.Errorf("--publication-kept must be 0 to %s, is %s", maxPublicationKept, c.PublicationKept)
	}
	switch {
	case c.CondenseAfter != 0 && c.CondenseAfter < retention.MinAge:
		return fmt.Errorf("--condense-after must be 0 or at least %s, is %s", retention.MinAge, c.CondenseAfter)
	case c.CondenseAfter != 0 && c.shared():
		return fmt.Errorf("--condense-after is for embedded events: those of --eventstore never change")
	}
	return nil
}

// signingKey is the key that this node signs with; nil when it has none: replicas that share events are given one.
func (n *Node) signingKey() (*audit.Key, error) {
	switch text := os.Getenv(keyVariable); {
	case n.config.AuditKeyFile != "":
		return audit.ReadKey(n.config.AuditKeyFile, n.events.ID(), false)
	case text != "":
		return audit.ParseKey(text)
	case n.config.shared():
		n.log.Info("tree heads are not signed here: replicas that share events sign with a key that they are given, --audit-key-file")
		return nil, nil
	}
	return audit.ReadKey(filepath.Join(n.config.Data, KeyFile), n.events.ID(), true)
}

// startAudit runs the tree over all events, and has heads of it signed.
func (n *Node) startAudit() error {
	key, err := n.signingKey()
	if err != nil {
		return err
	}
	n.tree = view.New(view.Config{Store: n.events, Model: n.views.Audit(), Log: n.log})
	n.published = n.views.Published(n.config.PublicationKept, views.MaxPublished)
	n.heads = audit.NewHeads(audit.Config{Streams: n.treeHeads, Tree: n.tree, StoreID: n.events.ID(), Key: key, Every: n.config.AuditEvery, Now: now, Log: n.log})
	if n.local != nil {
		c := retention.Config{Store: n.local, Stock: n.skus, Trail: n.treeHeads, Heads: n.heads, Now: now, After: n.config.CondenseAfter, Log: n.log}
		for _, p := range n.projections() {
			c.Readers = append(c.Readers, p)
		}
		n.retention = retention.New(c)
	}
	if n.config.has(RoleProject) {
		n.parts.loop("projection audit", n.fail, n.afterOthers(n.tree.Run))
		n.parts.loop("tree heads", n.fail, n.heads.Run)
		if n.retention != nil {
			n.parts.loop("retention", n.fail, n.retention.Run)
		}
	}
	return nil
}

// newHistory is the service of history, with what proofs and traces need.
func (n *Node) newHistory() *history.Service {
	s := history.New(n.events, n.desk, now)
	s.Trail = history.Trail{All: n.events, Tree: n.tree, Heads: n.heads, Published: n.published}
	return s
}
