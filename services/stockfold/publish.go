package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/stockfold/stockfold/services/stockfold/load"
)

// publishCmd publishes one CloudEvent: the warehouse's call from a shell.
type publishCmd struct {
	brokers `embed:""`
	Source  string    `default:"shell" help:"System that the fact comes from (default: ${default})."`
	ID      string    `name:"id" help:"The source's own id of the fact: a second one with the same id counts once. A new one when empty."`
	Time    time.Time `help:"When it happened, e.g. 2017-01-02T15:04:05Z; now when empty."`

	Kind string `arg:"" enum:"movement,sale" help:"What it is: movement, or sale for a whole receipt."`
	Data string `arg:"" help:"The Movement or Sale of the contract as JSON."`
}

// Help is shown below the flags.
func (*publishCmd) Help() string {
	return `The message is a CloudEvent in binary mode, as any Kafka client would publish it.

Examples:
  stockfold publish movement '{"sku":"1082185","location":"367","quantity":48,"received":{}}'
  stockfold publish movement --source wms --id count-7 '{"sku":"1082185","location":"367","quantity":40,"counted":{}}'
  stockfold publish sale '{"document":"r-1","location":"367","channel":"store","lines":[{"sku":"1082185","quantity":2}]}'`
}

// Run publishes the fact and says where it lies.
func (c *publishCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	at := c.Time
	if at.IsZero() {
		at = time.Now()
	}
	to, err := c.reach()
	if err != nil {
		return err
	}
	where, err := load.PublishOne(ctx, to, load.Fact{Kind: c.Kind, Data: []byte(c.Data), Source: c.Source, ID: c.ID, At: at})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, where)
	return err
}
