package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/stockfold/node"
)

// auditCmd gives auditors what they keep elsewhere.
type auditCmd struct {
	Head auditHeadCmd `cmd:"" help:"Print the newest tree head, for keeping elsewhere."`
	Key  auditKeyCmd  `cmd:"" help:"Print the verifier key of tree heads."`
}

// auditHeadCmd prints or exports a head.
type auditHeadCmd struct {
	GRPC   string `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`
	Record bool   `help:"Have one signed and recorded first, over everything so far."`
	Export string `placeholder:"FILE" type:"path" help:"Write it to a new file."`
}

// Help is shown below the flags.
func (*auditHeadCmd) Help() string {
	return `A tree head is a signed text: the store's name, how many events the tree holds, its root, the position of the last event and the time. Kept
where nobody of the service can change it, it proves later that no event up to then was changed: 'stockfold verify --since FILE'.

Examples:
  stockfold audit head
  stockfold audit head --record --export head-2017-03.txt`
}

// Run asks and prints.
func (c *auditHeadCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	conn, err := dial(c.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	history := pb.NewHistoryServiceClient(conn)
	var newest interface{ GetHead() *pb.TreeHead }
	if c.Record {
		newest, err = history.RecordTreeHead(ctx, &pb.RecordTreeHeadRequest{})
	} else {
		newest, err = history.GetTreeHead(ctx, &pb.GetTreeHeadRequest{})
	}
	head := newest.GetHead()
	if err != nil {
		return explain(err, c.GRPC)
	}
	if c.Export == "" {
		_, err = io.WriteString(std.out, head.Note)
		return err
	}
	f, err := os.OpenFile(c.Export, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("tree head: %w", err)
	}
	_, err = f.WriteString(head.Note)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		fmt.Fprintf(std.out, "%d events, up to position %d, in %s\n", head.TreeSize, head.Position, c.Export)
	}
	return err
}

// auditKeyCmd prints the verifier key.
type auditKeyCmd struct {
	Data   string `default:"./stockfold-data" placeholder:"DIR" type:"path" group:"storage" help:"Data directory of the service (default: ${default})."`
	File   string `placeholder:"FILE" type:"path" help:"Key file, where the service was given one with --audit-key-file."`
	Create bool   `help:"Make the file of --file, with a new key, when it is not there: for replicas that share events."`
}

// Help is shown below the flags.
func (*auditKeyCmd) Help() string {
	return `The verifier key proves who signed a tree head. It is no secret; keep it beside the heads.

Examples:
  stockfold audit key
  stockfold audit key --file /etc/stockfold/audit.key --create`
}

// Run prints it.
func (c *auditKeyCmd) Run(_ context.Context, std streams, _ *slog.Logger) error {
	file := c.File
	if file == "" && c.Create {
		return errors.New("name the file to make with --file")
	}
	if file == "" {
		file = filepath.Join(c.Data, node.KeyFile)
	}
	key, err := audit.ReadKey(file, "replicas", c.Create)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; name the service's directory with --data, or its key file with --file", err)
	}
	if err == nil {
		_, err = fmt.Fprintln(std.out, key)
	}
	return err
}
