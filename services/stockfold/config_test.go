package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/stockfold/stockfold/services/stockfold/node"
)

// settingsOf parses a command line for serve and returns its settings.
func settingsOf(t *testing.T, args ...string) (node.Config, error) {
	t.Helper()
	c, parser := newParser(streams{new(strings.Builder), new(strings.Builder)})
	_, err := parser.Parse(append([]string{"serve"}, args...))
	return c.Serve.Config, err
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stockfold.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFlagOutranksEnvironmentOutranksFile(t *testing.T) {
	file := writeFile(t, "grpc: 127.0.0.1:1\nrest: 127.0.0.1:1\nbroker: 127.0.0.1:1\nroles: [api, ingest]\naccept-unknown-locations: true\n")
	t.Setenv("STOCKFOLD_GRPC", "127.0.0.1:2")
	t.Setenv("STOCKFOLD_REST", "127.0.0.1:2")
	t.Setenv("STOCKFOLD_KAFKA_BROKERS", "a:1,b:2")
	got, err := settingsOf(t, "--config", file, "--grpc", "127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	if got.GRPC != "127.0.0.1:3" || got.REST != "127.0.0.1:2" || got.Broker != "127.0.0.1:1" || got.Metrics != "127.0.0.1:9464" {
		t.Errorf("flag %s, environment %s, file %s, default %s", got.GRPC, got.REST, got.Broker, got.Metrics)
	}
	if !slices.Equal(got.Roles, []string{"api", "ingest"}) || !slices.Equal(got.KafkaBrokers, []string{"a:1", "b:2"}) || !got.AcceptUnknownLocations {
		t.Errorf("roles %q, brokers %q, accepts %v", got.Roles, got.KafkaBrokers, got.AcceptUnknownLocations)
	}
}

func TestTheFileMayBeNamedInTheEnvironment(t *testing.T) {
	t.Setenv("STOCKFOLD_CONFIG", writeFile(t, "grpc: 127.0.0.1:1\nlog-level: debug\n"))
	got, err := settingsOf(t)
	if err != nil || got.GRPC != "127.0.0.1:1" {
		t.Errorf("got %s, %v", got.GRPC, err)
	}
}

func TestDefaultsAreOnLoopback(t *testing.T) {
	got, err := settingsOf(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Check(); err != nil {
		t.Error(err)
	}
	if !slices.Equal(got.Roles, node.Roles) || len(got.KafkaBrokers) != 0 || filepath.Base(got.Data) != "stockfold-data" || got.GRPC != defaultGRPC || got.Broker != defaultBroker {
		t.Errorf("got %+v", got)
	}
}

func TestBadSettingsFilesAreExplained(t *testing.T) {
	for text, problem := range map[string]string{
		"grpc: 127.0.0.1:1\ndta: /tmp\n": `line 2: there is no setting "dta"; known are accept-unknown-locations, as-of, at, audit-every, audit-key-file, axis, before, broker, by,`,
		"grpc: a\ngrpc: b\n":             `line 2: "grpc" is set twice`,
		"grpc:\n  port: 1\n":             `line 2: "grpc" must be a plain value`,
		"roles: [[api]]\n":               `line 1: "roles" must be a list of plain values`,
		"- grpc\n":                       "expected lines of the form name: value",
		"roles: [sell]\n":                `must be one of "api","ingest","project","expire","publish"`,
		"a: b: c\n":                      "mapping values are not allowed",
		"config: other.yaml\n":           `there is no setting "config"`,
	} {
		if _, err := settingsOf(t, "--config", writeFile(t, text)); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: got %v, want %q", text, err, problem)
		}
	}
	if _, err := settingsOf(t, "--config", "/nowhere.yaml"); err == nil || !strings.Contains(err.Error(), "/nowhere.yaml") {
		t.Errorf("missing file: got %v", err)
	}
	if _, err := settingsOf(t, "--config", writeFile(t, "# nothing yet\n")); err != nil {
		t.Errorf("empty file: got %v", err)
	}
}

// Every setting has the same name as a flag, in the environment and in the file.
func TestNothingOfASettingsFileIsPassedOver(t *testing.T) {
	for text, says := range map[string]string{
		"grpc: 127.0.0.1:1\n---\nnonsense: 1\n":                                    "line 2: a second document",
		strings.Repeat("# a comment\n", maxConfigBytes/10) + "grpc: 127.0.0.1:1\n": "more than 1048576 bytes",
	} {
		if _, err := settingsOf(t, "--config", writeFile(t, text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

func TestTheDemonstrationNeedsItsRoles(t *testing.T) {
	for _, roles := range []string{"api,project", "ingest,project"} {
		var trouble strings.Builder
		code := run(t.Context(), []string{"serve", "--demo", "--roles", roles, "--data", t.TempDir(), "--grpc", "127.0.0.1:0",
			"--rest", "127.0.0.1:0", "--broker", "127.0.0.1:0", "--metrics", "127.0.0.1:0"}, streams{io.Discard, &trouble})
		if code != 1 || !strings.Contains(trouble.String(), "add them to --roles") {
			t.Errorf("--roles %s: %d, %s", roles, code, trouble.String())
		}
	}
}

func TestEverySettingHasOneName(t *testing.T) {
	_, parser := newParser(streams{new(strings.Builder), new(strings.Builder)})
	names := settingNames(parser.Model.Node)
	if !slices.Contains(names, "data") || !slices.Contains(names, "pos") {
		t.Fatalf("settings are %q", names)
	}
	var visit func(*kong.Node)
	visit = func(n *kong.Node) {
		for _, flag := range n.Flags {
			want := "STOCKFOLD_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
			if flag.Name != "help" && !slices.Equal(flag.Envs, []string{want}) {
				t.Errorf("--%s is %q in the environment, want %s", flag.Name, flag.Envs, want)
			}
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(parser.Model.Node)
}

func TestEverySubcommandHasExamples(t *testing.T) {
	_, parser := newParser(streams{new(strings.Builder), new(strings.Builder)})
	for _, command := range parser.Model.Leaves(true) {
		var out strings.Builder
		name := []string{command.Name}
		for of := command.Parent; of.Type == kong.CommandNode; of = of.Parent {
			name = append([]string{of.Name}, name...)
		}
		if code := run(context.Background(), append(name, "--help"), streams{&out, &out}); code != 0 {
			t.Errorf("%q --help ends with %d", name, code)
		}
		_, examples, _ := strings.Cut(out.String(), "Examples:")
		if !strings.Contains(examples, " stockfold "+strings.Join(name, " ")) {
			t.Errorf("%q --help has no examples:\n%s", name, &out)
		}
	}
}

func TestAWrongCommandLineEndsWithTwo(t *testing.T) {
	for _, args := range [][]string{{"sell"}, {"serve", "--grcp", "x"}, {"load"}, {"serve", "--log-level", "loud"}} {
		var out, err strings.Builder
		if code := run(context.Background(), args, streams{&out, &err}); code != 2 || !strings.HasPrefix(err.String(), "stockfold: ") {
			t.Errorf("%q ends with %d: %s%s", args, code, &out, &err)
		}
	}
}
