package main

import (
	"io"
	"log/slog"
	"os"
)

// logConfig says what is logged and how.
type logConfig struct {
	Level  slog.Level `default:"info" placeholder:"LEVEL" help:"Least severe level to log: debug, info, warn or error (default: ${default})."`
	Format string     `default:"auto" enum:"auto,text,json" help:"Form of the log: text, json, or auto: text on a terminal, JSON otherwise (default: ${default})."`
}

// logger writes to out.
func (c logConfig) logger(out io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "text" || c.Format == "auto" && isTerminal(out) {
		return slog.New(slog.NewTextHandler(out, options))
	}
	return slog.New(slog.NewJSONHandler(out, options))
}

// isTerminal tells whether people read along.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
