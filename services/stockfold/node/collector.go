package node

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/retention"
	"github.com/stockfold/stockfold/services/routing"
)

// collectTimeout bounds what a scrape may wait for.
const collectTimeout = 2 * time.Second

// collector tells the counts of every part at each scrape.
type collector struct{ *Node }

func (n *Node) newCollector() prometheus.Collector { return collector{n} }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("stockfold_"+name, help, labels, nil)
}

var (
	events      = describe("events_appended_total", "Events appended to the event store.")
	groups      = describe("store_groups_total", "Groups of appends handed to the event store's log.")
	conflicts   = describe("store_conflicts_total", "Appends refused for their expected revision.")
	storeEnd    = describe("store_position", "Position of the last durable event.")
	storeBytes  = describe("store_disk_bytes", "Space that the event store takes on disk.")
	storeFull   = describe("store_disk_full", "1 while writes are refused because the disk is too full.")
	storeStalls = describe("store_write_stalls_total", "Times that writes waited for the event store to make room.")

	position = describe("projection_position", "Position up to which a projection is readable.", "projection")
	lag      = describe("projection_lag_events", "Positions between a projection and the store's end.", "projection")
	delay    = describe("projection_delay_seconds", "From the recording of the last event applied to its being readable.", "projection")
	stuck    = describe("projection_stuck", "1 while a projection does not move for an error.", "projection")

	checked   = describe("self_check_skus_total", "SKUs whose availability was compared with their events folded afresh.")
	unchecked = describe("self_check_skipped_total", "SKUs that could not be compared when it was their turn.")
	drifted   = describe("self_check_drifted_total", "SKUs whose availability was not what their events come to.")
	mended    = describe("self_check_mended_total", "Of them, those whose availability was written anew and is right.")
	rounds    = describe("self_check_rounds_total", "Times that the self-check went through all SKUs.")

	ingestLag     = describe("ingest_lag_messages", "Messages of a partition that are not taken in yet.", "topic", "partition")
	ingestTotal   = describe("ingest_messages_total", "Messages taken in: recorded, duplicate or dead letter.")
	ingestFacts   = describe("ingest_facts_total", "Facts recorded from messages.")
	ingestDoubles = describe("ingest_duplicates_total", "Facts of messages that were recorded before.")
	ingestLost    = describe("ingest_lost_total", "Messages that a log deleted before they were read.")
	letters       = describe("dead_letters_open", "Dead letters that wait for somebody.")
	gapsOpen      = describe("sequence_gaps_open", "Open gaps in the numbers of sources, of all replicas, up to 1000.")
	gapsMissing   = describe("sequence_numbers_missing", "Messages of a source that its own numbers show to be missing.", "source")
	gapsLeft      = describe("sequence_gaps_unfollowed_total", "Gaps in the numbers of sources that are not followed for a bound.")
	lettersKept   = describe("dead_letters_kept_total", "Dead letters kept, by reason.", "reason")

	sourceDelay = describe("source_delay_seconds", "From occurring to being recorded, of a source's last fact.", "source")
	sourceFacts = describe("source_facts_total", "Facts recorded, by source.", "source")
	observed    = describe("source_observations_total", "Facts kept as observations: another system is the location's system of record.", "source")
	superseded  = describe("source_superseded_total", "Counts that their source had made anew, by its own numbers, before they arrived.", "source")

	waiting  = describe("commands_waiting", "Commands waiting in mailboxes.", "kind")
	decided  = describe("commands_total", "Commands decided, retries and reads included.", "kind")
	refused  = describe("commands_refused_total", "Commands refused for overload or while stopping.", "kind")
	memory   = describe("commands_state_bytes", "Estimated memory of the states that commands decide on.", "kind")
	redone   = describe("commands_conflicts_total", "Batches decided again because others wrote.", "kind")
	loads    = describe("commands_loads_total", "States folded from their streams.", "kind")
	atRisk   = describe("reservations_at_risk", "Live reservations that cannot be kept where they are promised.")
	unitRisk = describe("reservation_units_at_risk", "What they hold there, in base units of all SKUs together.")
	moved    = describe("reservations_moved_total", "Reservations that were moved by rule to where they can be kept.")
	overdue  = describe("supply_overdue_skus", "SKUs of which supply is past its date and has not come.")
	expired  = describe("holds_expired_total", "Holds whose end was recorded.")
	sent     = describe("publication_messages_total", "Changes of availability published.")
	sentUpTo = describe("publication_position", "Position up to which everything is published.")

	peerCalls   = describe("peer_calls_total", "Calls on SKUs that belong to another replica, by who decided them: there, or here since it did not answer.", "decided")
	peersAway   = describe("peers_away", "Other replicas that did not answer last.")
	peersKnown  = describe("peers_known", "Other replicas that calls are handed to.")
	peerRefused = describe("peer_refused_total", "Callers on the replicas' own port that had not the certificate of a replica.")

	headsMade = describe("tree_heads_recorded_total", "Heads of the tree over all events that were signed and recorded here.")
	forked    = describe("history_forked", "1 once the events were found to be others than a signed tree head covers.")

	runsDone    = describe("reconciliation_runs_total", "Snapshots compared to their end by this process.")
	runsFailed  = describe("reconciliation_failures_total", "Times that a comparison did not come to its end; it is tried again.")
	differences = describe("reconciliation_discrepancies_total", "Discrepancies found by this process, by class.", "class")
	corrections = describe("reconciliation_corrections_total", "Corrections that runs of this process made.")
	runDiffers  = describe("reconciliation_discrepancy_ratio", "Discrepancies per row of the last run of a source; a row that could not be read or compared counts as one.", "source")
	runRisk     = describe("reconciliation_value_at_risk", "Value at risk of the last run of a source, in minor units of a currency.", "source", "currency")
	filesBad    = describe("reconciliation_files_refused_total", "Snapshots in the watched directory that could not be taken in.")

	isReady = describe("ready", "1 once the read models have caught up with the store as of the start.")
)

// Describe sends nothing: which series there are depends on partitions and sources.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks every part.
func (c collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	s := sink(out)
	s.gauge(isReady, boolean(c.ready.Load()))
	c.collectStore(s)
	c.collectProjections(ctx, s)
	c.collectSelfCheck(s)
	c.collectIngest(ctx, s)
	c.collectPeers(s)
	skus := c.skus.Stats()
	skus.Refused += c.batched.Load()
	collectStreams(s, "sku", skus)
	collectStreams(s, "channel", c.channels.Stats())
	collectStreams(s, "location", c.locations.Stats())
	collectStreams(s, "order", c.orders.Stats())
	s.counter(headsMade, float64(c.heads.Recorded()))
	s.gauge(forked, boolean(c.heads.Forked()))
	if c.expiry != nil {
		s.counter(expired, float64(c.expiry.Stats().Expired))
	}
	c.collectRisk(ctx, s)
	c.collectReconciliation(s)
	if c.publication != nil {
		status := c.publication.Status()
		s.counter(sent, float64(status.Published))
		s.gauge(sentUpTo, float64(status.Position))
	}
}

func (c collector) collectRisk(ctx context.Context, s sink) {
	if c.reallocation != nil {
		x := c.reallocation.Status()
		s.gauge(atRisk, float64(x.Reservations))
		s.gauge(unitRisk, float64(x.Units))
		s.counter(moved, float64(x.Moved))
	}
	if c.config.has(RoleProject) {
		if _, skus, err := c.availability.OverdueSupply(ctx, now(), 0); err == nil {
			s.gauge(overdue, float64(skus))
		}
	}
}

func (c collector) collectStore(s sink) {
	if c.local == nil {
		return // it has metrics of its own
	}
	x := c.local.Stats()
	s.counter(events, float64(x.Events))
	s.counter(groups, float64(x.Groups))
	s.counter(conflicts, float64(x.Conflicts))
	s.counter(storeStalls, float64(x.WriteStalls))
	s.gauge(storeEnd, float64(x.End))
	s.gauge(storeBytes, float64(x.DiskBytes))
	s.gauge(storeFull, boolean(x.DiskFull))
}

func (c collector) collectProjections(ctx context.Context, s sink) {
	for _, p := range c.projections() {
		x := p.Status(ctx)
		s.gauge(position, float64(x.Position), x.Name)
		s.gauge(lag, float64(x.Lag), x.Name)
		s.gauge(delay, x.Delay.Seconds(), x.Name)
		s.gauge(stuck, boolean(x.Error != ""), x.Name)
	}
}

func (c collector) collectSelfCheck(s sink) {
	if c.selfCheck == nil {
		return
	}
	x := c.selfCheck.Stats()
	s.counter(checked, float64(x.Checked))
	s.counter(unchecked, float64(x.Skipped))
	s.counter(drifted, float64(x.Drifted))
	s.counter(mended, float64(x.Mended))
	s.counter(rounds, float64(x.Rounds))
}

func (c collector) collectIngest(ctx context.Context, s sink) {
	if n, err := c.desk.CountOpen(ctx); err == nil {
		s.gauge(letters, float64(n))
	}
	c.collectGaps(ctx, s)
	for _, d := range c.recorder.Delays() {
		s.gauge(sourceDelay, d.Last.Seconds(), d.Source)
		s.counter(sourceFacts, float64(d.Facts), d.Source)
		s.counter(observed, float64(d.Observations), d.Source)
		s.counter(superseded, float64(d.Superseded), d.Source)
	}
	if c.ingest == nil {
		return
	}
	for _, p := range c.ingest.Status() {
		s.gauge(ingestLag, float64(p.End-p.Next), p.Topic, strconv.Itoa(int(p.Partition)))
	}
	x := c.ingest.Stats()
	s.counter(ingestTotal, float64(x.Messages))
	s.counter(ingestFacts, float64(x.Facts))
	s.counter(ingestDoubles, float64(x.Duplicates))
	s.counter(ingestLost, float64(x.Lost))
	s.counter(gapsLeft, float64(x.Unfollowed))
	for reason, n := range x.Kept {
		s.counter(lettersKept, float64(n), reason)
	}
}

func (c collector) collectPeers(s sink) {
	var x routing.Stats
	if c.router != nil {
		x = c.router.Stats()
	}
	s.counter(peerCalls, float64(x.Handed), "there")
	s.counter(peerCalls, float64(x.Here), "here")
	s.gauge(peersKnown, float64(x.Known))
	s.gauge(peersAway, float64(x.Away))
	s.counter(peerRefused, float64(c.identity.Refused()))
}

// gapsCounted is how many open gaps a scrape looks at.
const gapsCounted = 1_000

func (c collector) collectGaps(ctx context.Context, s sink) {
	gaps, _, err := c.desk.OpenGaps(ctx, gapsCounted)
	if err != nil {
		return
	}
	s.gauge(gapsOpen, float64(len(gaps)))
	missing := map[string]int64{}
	for i := range gaps {
		missing[gaps[i].System] += gaps[i].Missing
	}
	for source, n := range missing {
		s.gauge(gapsMissing, float64(n), source)
	}
}

func collectStreams(s sink, kind string, x commands.Stats) {
	s.gauge(waiting, float64(x.Waiting), kind)
	s.gauge(memory, float64(x.Memory), kind)
	s.counter(decided, float64(x.Commands), kind)
	s.counter(refused, float64(x.Refused), kind)
	s.counter(redone, float64(x.Conflicts), kind)
	s.counter(loads, float64(x.Loads), kind)
}

func (c collector) collectReconciliation(s sink) {
	x := c.reconciliation.Stats()
	s.counter(runsDone, float64(x.Runs))
	s.counter(runsFailed, float64(x.Failures))
	s.counter(corrections, float64(x.Corrected))
	s.counter(filesBad, float64(x.FilesRefused))
	for class, n := range x.Classes {
		s.counter(differences, float64(n), class)
	}
	for source, last := range x.Last {
		s.gauge(runDiffers, last.Ratio, source)
		for currency, minor := range last.ValueAtRisk {
			s.gauge(runRisk, float64(minor), source, currency)
		}
	}
}

// projection is what every read model tells of itself.
type projection interface {
	retention.Reader
	Status(context.Context) projections.Status
}

// projections lists the read models that this node keeps.
func (n *Node) projections() []projection {
	list := []projection{n.policies}
	if n.config.has(RoleProject) {
		list = append(list, n.availability, n.reservations, n.orderIndex, n.tree)
	}
	if n.ledger != nil {
		list = append(list, n.ledger)
	}
	return list
}

// sink takes metrics.
type sink chan<- prometheus.Metric

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) counter(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
