package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/stockfold/stockfold/aggregates/stock"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// versionCmd prints what this program is.
type versionCmd struct{}

// Help is shown below the flags.
func (*versionCmd) Help() string {
	return `Examples:
  stockfold version`
}

// Run prints the version of the program, of Go, and of the formats that it writes.
func (*versionCmd) Run(std streams) error {
	_, err := fmt.Fprintf(std.out, "stockfold %s\n%s %s/%s\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return err
	}
	for _, f := range formats {
		if _, err := fmt.Fprintf(std.out, "%-12s %s\n", f.name, f.version); err != nil {
			return err
		}
	}
	return nil
}

// programVersion is that of the module, with the commit it was built from where the build knows it.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if version == "" {
		version = "(devel)"
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = " " + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	return version + commit + changed
}

// formats are the versions of what the program writes and others may have to read.
var formats = []struct{ name, version string }{
	{"contract", string(pb.File_stockfold_inventory_v1_event_proto.Package())},
	{"state", stock.SnapshotSchema},
	{"event store", moduleVersion("github.com/cockroachdb/pebble/v2")},
}

// moduleVersion is that of a library in this program.
func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return path + " " + m.Version
			}
		}
	}
	return path
}
