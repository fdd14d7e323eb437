package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/audit"
)

// verifyCmd proves to an auditor that a history is the one that was recorded.
type verifyCmd struct {
	GRPC  string   `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`
	Data  string   `name:"offline" placeholder:"DIR" type:"path" group:"data" help:"Verify the embedded events in this directory instead, of a service that is stopped."`
	Since []string `placeholder:"FILE" type:"existingfile" help:"The history must begin with what the tree head in this file covers."`
	Key   string   `placeholder:"KEY" help:"Verifier key of tree heads, as 'stockfold audit key' prints it; without it, the one that the service or the directory has."`
	SKU   string   `name:"sku" help:"Only the seals of this SKU's events; where it stands in the store is not proved."`
	Event string   `placeholder:"ID" help:"Print the proof that the newest tree head covers this event."`
	Proof string   `placeholder:"FILE" type:"existingfile" help:"Check a proof, or an export, by itself: no service is asked."`
	Quick bool     `help:"Ask the service for a proof that the history begins with the head of --since, without reading the events."`
}

// Help is shown below the flags.
func (*verifyCmd) Help() string {
	return `Reads every event, computes every seal and the tree over all of them anew, and compares them with the tree heads that were
recorded, and with those that were kept elsewhere. It names the first event that was changed, removed, inserted or moved, and ends with
code 1. A head and its verifier key, kept where nobody of the service can reach them, are what makes this a proof.

Examples:
  stockfold verify
  stockfold verify --since head-2017-03.txt --key stockfold/QX…+1f2e3d4c+AW…
  stockfold verify --offline /var/lib/stockfold --since head-2017-03.txt
  stockfold verify --event 0c6cd9a2-5e0b-5d53-8d8e-0f2a1c6f7a10 > proof.jsonl
  stockfold verify --proof proof.jsonl --since head-2017-03.txt --key stockfold/QX…+1f2e3d4c+AW…`
}

// Run verifies.
func (c *verifyCmd) Run(ctx context.Context, std streams, log *slog.Logger) error {
	if err := audit.CheckVerifierKey(c.Key); err != nil {
		return fmt.Errorf("--key: %w; stockfold audit key prints the right one", err)
	}
	if c.SKU != "" && len(c.Since) > 0 {
		return errors.New("--since is about all events: leave --sku out")
	}
	if c.Proof != "" {
		return c.checkProofs(std.out)
	}
	if c.Data != "" {
		return c.verifyData(ctx, std, log)
	}
	conn, err := dial(c.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	history := pb.NewHistoryServiceClient(conn)
	switch {
	case c.Event != "":
		err = c.prove(ctx, history, std.out)
	case c.Quick:
		err = c.verifyQuick(ctx, history, std.out)
	default:
		err = c.verifyService(ctx, history, std)
	}
	return explain(err, c.GRPC)
}

// heads reads the files of heads.
func (c *verifyCmd) heads() (notes []string, err error) {
	for _, file := range c.Since {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("tree head: %w", err)
		}
		notes = append(notes, string(text))
	}
	return notes, nil
}

// expect names the heads that were kept elsewhere to a verifier.
func (c *verifyCmd) expect(v *audit.Verifier) error {
	notes, err := c.heads()
	for i, text := range notes {
		if err := v.Expect(text, c.Since[i]); err != nil {
			return err
		}
	}
	return err
}

// conclude says what was proved.
func (c *verifyCmd) conclude(out io.Writer, v *audit.Verifier) error {
	if c.SKU != "" && v.Events == 0 {
		return fmt.Errorf("there are no events of SKU %q to verify", c.SKU)
	}
	text := fmt.Sprintf("%d events of %d streams follow from each other; %d carry no seal, being older than seals.\n", v.Events, v.Streams, v.Old)
	switch {
	case v.Unattested:
		text += fmt.Sprintf("%d events are condensed, and this is going on or was cut off: what they say is proved once stockfold condense has ended.\n", v.Condensed)
	case v.Condensed > 0:
		text += fmt.Sprintf("%d events are condensed, and say what was left of them.\n", v.Condensed)
	}
	_, err := io.WriteString(out, text+c.covered(v))
	return err
}

// covered says what tree heads prove of the events that were verified.
func (c *verifyCmd) covered(v *audit.Verifier) string {
	root := fmt.Sprintf("The tree over all %d events comes to %s.\n", v.Size(), v.Root())
	switch {
	case c.SKU != "":
		return "No tree head was asked where they stand among all events; verify without --sku does.\n"
	case v.Heads == 0 && len(c.Since) == 0:
		return "No tree head is recorded yet, and none was given with --since, so that only the seals speak for them; stockfold audit head --record makes one.\n" + root
	case len(c.Since) == 0:
		return fmt.Sprintf("%d recorded tree heads fit; they prove everything up to position %d.\n", v.Heads, v.Proved()) + root
	default:
		return fmt.Sprintf("%d recorded tree heads fit, and what was given with --since; they prove everything up to position %d.\n", v.Heads, v.Proved()) + root
	}
}

// prove prints the newest head and the proof of an event, a line each.
func (c *verifyCmd) prove(ctx context.Context, history pb.HistoryServiceClient, out io.Writer) error {
	proof, err := history.ProveEvent(ctx, &pb.ProveEventRequest{EventId: c.Event})
	if err != nil {
		return err
	}
	head := &pb.ProveEventResponse{Head: proof.Head}
	proof.Head = nil
	return errors.Join(printLine(out, head), printLine(out, proof))
}

// printLine prints a message as a line of JSON, alike each time.
func printLine(out io.Writer, m proto.Message) error {
	raw, err := protojson.Marshal(m)
	if err != nil {
		return err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, raw); err != nil {
		return err
	}
	line.WriteByte('\n')
	_, err = out.Write(line.Bytes())
	return err
}

// maxLine bounds a line of a proof.
const maxLine = 8 << 20

// checkProofs checks each line of a file of proofs by a head: the one of --since, or the last one before it in the file.
func (c *verifyCmd) checkProofs(out io.Writer) error {
	notes, err := c.heads()
	if err != nil || len(notes) > 1 {
		return errors.Join(err, errorIf(len(notes) > 1, "a proof is checked by one head; give --since once"))
	}
	if c.Key == "" {
		return errors.New("name the verifier key with --key: without it nobody knows who signed the head")
	}
	f, err := os.Open(c.Proof)
	if err != nil {
		return err
	}
	defer f.Close()
	var head *audit.Head
	if len(notes) == 1 {
		if head, err = openHead(notes[0], c.Key); err != nil {
			return err
		}
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	proved, without, condensed := 0, 0, 0
	for n := 1; lines.Scan(); n++ {
		var p pb.ProveEventResponse
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(lines.Bytes(), &p); err != nil {
			return fmt.Errorf("%s, line %d: %w", c.Proof, n, err)
		}
		if p.Head != nil && len(notes) == 0 {
			if head, err = openHead(p.Head.Note, c.Key); err != nil {
				return fmt.Errorf("%s, line %d: %w", c.Proof, n, err)
			}
		}
		if p.Stored == nil {
			continue
		}
		if len(p.Path) == 0 && (head == nil || head.Size != 1) {
			without++
			continue
		}
		if head == nil {
			return fmt.Errorf("%s, line %d: there is no tree head before it; name one with --since", c.Proof, n)
		}
		r, err := audit.CheckProof(*head, p.Index, p.Path, p.Stored.Leaf)
		if errors.Is(err, audit.ErrCondensed) {
			condensed++
			continue
		}
		if err == nil {
			err = checkShown(p.Stored.Event, r)
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", c.Proof, n, err)
		}
		if proved++; proved <= maxNamedProofs {
			fmt.Fprintf(out, "proved: event %d of %s, %s, id %s: number %d of the %d that were signed %s\n",
				r.Revision, r.Stream, r.Type, r.ID, p.Index, head.Size, head.SignedAt.Time().Format(time.RFC3339))
		}
	}
	fmt.Fprintf(out, "%d events proved, %d are later than the head.\n", proved, without)
	if condensed > 0 {
		fmt.Fprintf(out, "%d are condensed: the head proves that events stood there, and not what these say.\n", condensed)
	}
	return lines.Err()
}

// maxNamedProofs is how many proved events are named.
const maxNamedProofs = 20

func openHead(note, key string) (*audit.Head, error) {
	h, err := audit.OpenHead(note, key)
	return &h, err
}

func errorIf(wrong bool, text string) error {
	if wrong {
		return errors.New(text)
	}
	return nil
}

// verifyQuick asks for the proof that the history begins with a head.
func (c *verifyCmd) verifyQuick(ctx context.Context, history pb.HistoryServiceClient, out io.Writer) error {
	notes, err := c.heads()
	if err != nil || len(notes) != 1 {
		return errors.Join(err, errorIf(len(notes) != 1, "--quick compares with the head of one --since"))
	}
	earlier, err := audit.OpenHead(notes[0], c.Key)
	if err != nil {
		return err
	}
	proof, err := history.ProveConsistency(ctx, &pb.ProveConsistencyRequest{TreeSize: earlier.Size})
	if err != nil {
		return err
	}
	now, err := audit.OpenHead(proof.Head.Note, c.Key)
	if err == nil {
		err = audit.CheckConsistency(earlier, now, proof.Path)
	}
	if err == nil {
		fmt.Fprintf(out, "The tree of %d events, signed %s, begins with the %d of %s.\n", now.Size, now.SignedAt.Time().Format(time.RFC3339), earlier.Size, c.Since[0])
	}
	return err
}
