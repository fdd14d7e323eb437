package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/stockfold/load"
	"github.com/stockfold/stockfold/services/stockfold/policyfile"
)

// policyCmd moves all rules between a service and a file.
type policyCmd struct {
	Export policyExportCmd `cmd:"" help:"Write all rules of the service as one file."`
	Diff   policyDiffCmd   `cmd:"" help:"Print which rules a file would change, and which availability; nothing is changed."`
	Apply  policyApplyCmd  `cmd:"" help:"Make the service have the rules of a file."`
}

// Exit codes of policy, as those of diff(1).
const (
	exitDiffers = 1 // rules differ, or some were refused
	exitTrouble = 2
)

// maxPolicyFile bounds a file of rules, in bytes.
const maxPolicyFile = 256 << 20

// policyService says where the service is, and how files are written.
type policyService struct {
	GRPC   string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`
	Format string `enum:"auto,yaml,csv" default:"auto" help:"yaml, csv, or auto: csv for a file named so, else yaml (default: ${default})."`
}

// with calls a function with the service. What it returns ends with the exit code for trouble.
func (c *policyService) with(std streams, do func(*policyfile.Service, load.Progress) error) error {
	conn, err := grpc.NewClient(c.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err == nil {
		defer conn.Close()
		err = do(&policyfile.Service{Client: pb.NewPolicyServiceClient(conn), Actor: "policy file"}, progress(std.err))
	}
	var silent *silentError
	if err == nil || errors.As(err, &silent) {
		return err
	}
	if _, err := fmt.Fprintf(std.err, "stockfold: %v\n", explain(err, c.GRPC)); err != nil {
		return err
	}
	return &silentError{exitTrouble}
}

func (c *policyService) csv(name string) bool {
	return c.Format == "csv" || c.Format == "auto" && strings.EqualFold(filepath.Ext(name), ".csv")
}

// read reads a file of rules.
func (c *policyService) read(name string) ([]policyfile.Rule, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxPolicyFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxPolicyFile:
		return nil, fmt.Errorf("%s has more than %d MiB; apply it in parts", name, maxPolicyFile>>20)
	case c.csv(name):
		return policyfile.ReadCSV(name, data)
	}
	return policyfile.ReadYAML(name, data)
}

// policyExportCmd writes all rules.
type policyExportCmd struct {
	policyService `embed:""`
	Output        string `short:"o" placeholder:"FILE" help:"Write to this file, whole or not at all; to standard output when empty."`
}

// Help is shown below the flags.
func (*policyExportCmd) Help() string {
	return `The same rules give the same bytes. Applied to an empty service, the file makes it have the same rules; stock is not part of it.
CSV has a row for each rule: the column rule names its kind, the others are the fields of all kinds, empty where a rule has none; several values in
one cell have | between them.

Examples:
  stockfold policy export -o rules.yaml
  stockfold policy export --format csv -o rules.csv`
}

// Run exports.
func (c *policyExportCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	return c.with(std, func(s *policyfile.Service, progress load.Progress) error {
		rules, err := exportRules(ctx, s, progress)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		write := policyfile.WriteYAML
		if c.csv(c.Output) {
			write = policyfile.WriteCSV
		}
		if err := write(&text, rules); err != nil {
			return err
		}
		if c.Output == "" {
			_, err = std.out.Write(text.Bytes())
			return err
		}
		return replaceFile(c.Output, text.Bytes())
	})
}

func exportRules(ctx context.Context, s *policyfile.Service, progress load.Progress) ([]policyfile.Rule, error) {
	add, done := progress.Stage("SKUs read", 0)
	defer done()
	rules, _, err := s.Export(ctx, add)
	return rules, err
}

// replaceFile writes a file whole, or leaves the one that is there.
func replaceFile(name string, data []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(data)
	if err = errors.Join(err, temporary.Chmod(0o644), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), name)
}

// policyDiffCmd previews a file.
type policyDiffCmd struct {
	policyService `embed:""`
	Prune         bool   `help:"Rules that the file leaves out are taken away; else they are kept."`
	File          string `arg:"" help:"Rules as YAML or CSV."`
}

// Help is shown below the flags.
func (*policyDiffCmd) Help() string {
	return `Prints the rules that the file would change (+ new, ~ changed, - taken away), those that would be refused, and every ATS that would change, with the steps
of the sum that differ. The service computes it on paper, by what decides and prices for real; nothing is changed.

The exit code is 0 when nothing differs, 1 when something does, 2 when there is trouble: as that of diff(1).

Examples:
  stockfold policy diff rules.yaml
  stockfold policy diff --prune rules.csv`
}

// Run previews.
func (c *policyDiffCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	return c.with(std, func(s *policyfile.Service, progress load.Progress) error {
		changes, err := c.changes(ctx, s, c.File, c.Prune, progress)
		if err != nil {
			return err
		}
		if _, err := previewChanges(ctx, s, changes, std.out, progress); err != nil || len(changes) == 0 {
			return err
		}
		return &silentError{exitDiffers}
	})
}

// changes are what a file would change.
func (c *policyService) changes(ctx context.Context, s *policyfile.Service, file string, prune bool, progress load.Progress) ([]policyfile.Change, error) {
	want, err := c.read(file)
	if err != nil {
		return nil, err
	}
	have, err := exportRules(ctx, s, progress)
	if err != nil {
		return nil, err
	}
	return policyfile.Changes(have, want, prune), nil
}

// previewChanges prints what changes would come to, and returns how many of them would be refused.
func previewChanges(ctx context.Context, s *policyfile.Service, changes []policyfile.Change, to io.Writer, progress load.Progress) (int, error) {
	out := bufio.NewWriter(to)
	defer out.Flush()
	if len(changes) == 0 {
		_, err := fmt.Fprintln(out, "no rule would change")
		return 0, err
	}
	for i := range changes {
		fmt.Fprintln(out, changes[i].String())
	}
	add, done := progress.Stage("SKUs computed", 0)
	values := 0
	totals, refused, err := s.Preview(ctx, changes, func(v *pb.PreviewedValue) error {
		if values++; values == 1 {
			fmt.Fprintf(out, "\n%-24s %-16s %12s %12s  %s\n", "SKU", "CHANNEL", "ATS BEFORE", "AFTER", "BECAUSE")
		}
		_, err := fmt.Fprintf(out, "%-24s %-16s %12d %12d  %s\n", v.Sku, v.Channel, v.Before, v.After, because(v.Steps))
		return err
	}, add)
	done()
	if err != nil {
		return 0, err
	}
	if len(refused) > 0 {
		fmt.Fprintln(out)
	}
	for _, r := range refused {
		fmt.Fprintf(out, "would be refused: %s\n  %s: %s\n", r.Change, r.Reason, r.Message)
	}
	fmt.Fprintf(out, "\n%d rules would change, %d of them would be refused; %d ATS of %d SKUs would change, of %d SKUs computed\n",
		len(changes), len(refused), totals.ValuesChanged, totals.SKUsChanged, totals.SKUs)
	return len(refused), out.Flush()
}

// because tells the steps of a sum that differ.
func because(steps []*pb.PreviewedStep) string {
	parts := make([]string, len(steps))
	for i, s := range steps {
		where := ""
		if s.Location != "" {
			where = " at " + s.Location
		}
		parts[i] = fmt.Sprintf("%s%s %d → %d", strings.ToLower(strings.ReplaceAll(s.Name, "_", " ")), where, s.Before, s.After)
	}
	return strings.Join(parts, ", ")
}

// policyApplyCmd applies a file.
type policyApplyCmd struct {
	policyService `embed:""`
	Prune         bool   `help:"Take away the rules that the file leaves out: locations are disabled, channels retired, items stay."`
	DryRun        bool   `help:"Print what would change, as diff does, and change nothing."`
	File          string `arg:"" help:"Rules as YAML or CSV."`
}

// Help is shown below the flags.
func (*policyApplyCmd) Help() string {
	return `Changes what differs, what others stand on first: locations, groups, channels, then what SKUs share, then SKUs. Each rule is changed wholly or not at all, and what
became of it is printed. A rule that is refused does not keep the others from being applied. It may be interrupted, and run again: what was applied is not changed again.

The exit code is 0 when all was applied, 1 when some rules were refused, 2 when there is trouble.

Examples:
  stockfold policy apply rules.yaml
  stockfold policy apply --prune --dry-run rules.csv`
}

// Run applies.
func (c *policyApplyCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	return c.with(std, func(s *policyfile.Service, progress load.Progress) error {
		changes, err := c.changes(ctx, s, c.File, c.Prune, progress)
		if err != nil {
			return err
		}
		var refused int
		if c.DryRun {
			refused, err = previewChanges(ctx, s, changes, std.out, progress)
		} else {
			refused, err = applyChanges(ctx, s, changes, std.out, progress)
		}
		if err != nil || refused == 0 {
			return err
		}
		return &silentError{exitDiffers}
	})
}

// applyChanges makes changes, prints what became of each, and returns how many were refused.
func applyChanges(ctx context.Context, s *policyfile.Service, changes []policyfile.Change, to io.Writer, progress load.Progress) (int, error) {
	out := bufio.NewWriter(to)
	defer out.Flush()
	add, done := progress.Stage("rules applied", len(changes))
	counts := map[pb.PolicyResult_Status]int{}
	var refused []string
	err := s.Apply(ctx, changes, func(c *policyfile.Change, r *pb.PolicyResult) {
		counts[r.Status]++
		add(1)
		switch r.Status {
		case pb.PolicyResult_STATUS_REFUSED:
			line := fmt.Sprintf("refused    %s\n           %s: %s\n", c, r.Reason, r.Message)
			refused = append(refused, line)
		case pb.PolicyResult_STATUS_UNCHANGED:
			fmt.Fprintf(out, "unchanged  %s\n", c)
		default:
			fmt.Fprintf(out, "applied    %s\n", c)
		}
	})
	done()
	for _, line := range refused {
		fmt.Fprint(out, line)
	}
	fmt.Fprintf(out, "%d rules applied, %d unchanged, %d refused, of %d that differ\n", counts[pb.PolicyResult_STATUS_APPLIED],
		counts[pb.PolicyResult_STATUS_UNCHANGED], len(refused), len(changes))
	return len(refused), errors.Join(err, out.Flush())
}
