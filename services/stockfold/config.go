package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// maxConfigBytes bounds a settings file.
const maxConfigBytes = 1 << 20

// groups are the headings under which help lists settings.
var groups = []kong.Group{
	{Key: "addresses", Title: "Addresses (loopback only, as long as there is no authentication; --peer-listen asks for certificates):"},
	{Key: "work", Title: "What this process does:"},
	{Key: "storage", Title: "Storage and memory:"},
	{Key: "data", Title: "Data:"},
	{Key: "service", Title: "Where the service is:"},
	{Key: "log", Title: "Log:"},
}

// configFile is the path of a settings file; giving it makes its settings count.
type configFile string

// BeforeResolve is called by kong once the path is known and before settings take their values.
func (configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path, _ := ctx.FlagValue(trace.Flag).(configFile)
	f, err := os.Open(string(path))
	if err != nil {
		return fmt.Errorf("settings file: %w", err)
	}
	defer f.Close()
	s, err := readSettings(string(path), f)
	if err != nil {
		return err
	}
	ctx.AddResolver(s)
	return nil
}

// settings are what a file says, with the line of each for messages.
type settings struct {
	path   string
	values map[string]any
	lines  map[string]int
}

var _ kong.Resolver = (*settings)(nil)

func readSettings(path string, r io.Reader) (*settings, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxConfigBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("settings file %s: %w", path, err)
	case len(text) > maxConfigBytes:
		return nil, fmt.Errorf("settings file %s: has more than %d bytes", path, maxConfigBytes)
	}
	var root, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&root); errors.Is(err, io.EOF) {
		return &settings{path: path}, nil
	} else if err != nil {
		return nil, fmt.Errorf("settings file %s: %w", path, err)
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("settings file %s, line %d: a second document begins; put all settings into one", path, more.Line)
	}
	s := &settings{path: path, values: map[string]any{}, lines: map[string]int{}}
	body := root.Content[0]
	if body.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("settings file %s: expected lines of the form name: value", path)
	}
	for i := 0; i+1 < len(body.Content); i += 2 {
		key, value := body.Content[i], body.Content[i+1]
		if _, twice := s.lines[key.Value]; twice {
			return nil, fmt.Errorf("settings file %s, line %d: %q is set twice", path, key.Line, key.Value)
		}
		text, err := scalar(value)
		if err != nil {
			return nil, fmt.Errorf("settings file %s, line %d: %q %w", path, value.Line, key.Value, err)
		}
		s.values[key.Value], s.lines[key.Value] = text, key.Line
	}
	return s, nil
}

// scalar gives a value as it would stand on the command line; the elements of a list are joined by commas.
func scalar(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, nil
	case yaml.SequenceNode:
		var parts []string
		for _, e := range n.Content {
			if e.Kind != yaml.ScalarNode {
				return "", errors.New("must be a list of plain values")
			}
			parts = append(parts, e.Value)
		}
		return strings.Join(parts, ","), nil
	default:
		return "", errors.New("must be a plain value or a list of them")
	}
}

// Validate refuses a setting that no subcommand knows.
func (s *settings) Validate(app *kong.Application) error {
	known := settingNames(app.Node)
	for _, name := range slices.Sorted(maps.Keys(s.lines)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("settings file %s, line %d: there is no setting %q; known are %s",
				s.path, s.lines[name], name, strings.Join(known, ", "))
		}
	}
	return nil
}

// Resolve gives a flag that is not on the command line the file's value, unless the environment has one.
func (s *settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	return s.values[flag.Name], nil
}

// settingNames lists the flags of all subcommands, sorted.
func settingNames(n *kong.Node) []string {
	var names []string
	var visit func(*kong.Node)
	visit = func(n *kong.Node) {
		for _, flag := range n.Flags {
			if flag.Name != "help" && flag.Name != "config" {
				names = append(names, flag.Name)
			}
		}
		for _, child := range n.Children {
			visit(child)
		}
	}
	visit(n)
	slices.Sort(names)
	return slices.Compact(names)
}
