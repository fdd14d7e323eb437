package replicas

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stockfold/stockfold/adapters/kafka/kafkatest"
)

// A replica of the commit before and one of this working copy share an event store, Kafka and Redis, as they do while a new
// version is rolled out. Customers and tills use both; then each is killed in turn and started again as the other version.
// Both tell the same in the end, and what they wrote together is what a fresh fold by the new one is.
func TestMixedVersions(t *testing.T) {
	kafkatest.Skip(t)
	before, now := build(t, previous(t)), build(t, root)
	c := startShared(t, now)
	c.add(before)
	c.add(now)
	x := newRun(t, c)
	x.stock(t.Context(), 4)
	x.rush(t.Context(), 50, 100)
	x.underLoad(t.Context(), 3, func(ctx context.Context) {
		x.suffer(ctx, fault{name: "nothing yet", left: c.replicas, happen: func() {}})
		for i, r := range c.replicas {
			x.suffer(ctx, fault{name: r.name + " killed", left: []*replica{c.replicas[1-i]}, happen: r.kill})
			if r.path == now { // back to the version before, on what the new one wrote
				r.path = before
			} else {
				r.path = now
			}
			r.start()
			r.awaitReady(ctx)
		}
		x.suffer(ctx, fault{name: "versions changed", left: c.replicas, happen: func() {}})
	})
	histories := x.settle(t.Context())
	a := examine(&x.ledger, histories)
	x.report(a, x.compare(t.Context(), histories, a))
}

// previous checks the commit before out, beside the working copy.
func previous(t *testing.T) string {
	t.Helper()
	if out, err := git("cat-file", "-e", "HEAD~1:services/stockfold/eventstore.go"); err != nil {
		t.Skipf("there is no previous commit that knows an event store to share: %s", out)
	}
	dir := filepath.Join(t.TempDir(), "previous")
	archive := exec.Command("git", "archive", "--format=tar", "--output="+dir+".tar", "HEAD~1")
	archive.Dir = root
	if out, err := archive.CombinedOutput(); err != nil {
		t.Fatalf("git archive: %v\n%s", err, out)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xf", dir+".tar", "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("unpack the previous commit: %v\n%s", err, out)
	}
	return dir
}

func git(args ...string) ([]byte, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = root
	return cmd.CombinedOutput()
}
