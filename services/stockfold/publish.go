package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/stockfold/stockfold/services/policy"
	"github.com/stockfold/stockfold/services/stockfold/load"
)

// publishCmd publishes one CloudEvent: the warehouse's call from a shell.
type publishCmd struct {
	brokers `embed:""`
	Source  string    `default:"shell" help:"System that the fact comes from (default: ${default})."`
	ID      string    `name:"id" help:"The source's own id of the fact: a second one with the same id counts once. A new one when empty."`
	Time    time.Time `help:"When it happened, e.g. 2017-01-02T15:04:05Z; now when empty."`

	Command  string `placeholder:"RPC" help:"For policy: the RPC of PolicyService that it asks for, e.g. PutSafetyRule."`
	Sequence string `placeholder:"NUMBER" help:"The source's own number of the message; a lower one does not undo a higher one."`

	Kind string `arg:"" enum:"movement,sale,order,policy" help:"What it is: movement (supply too), sale for a whole receipt, order for what happened to an order, or policy for a rule."`
	Data string `arg:"" help:"The Movement, the Sale, the OrderMessage, or the request of the RPC, of the contract, as JSON."`
}

// Help is shown below the flags.
func (*publishCmd) Help() string {
	return `The message is a CloudEvent in binary mode, as any Kafka client would publish it.

Examples:
  stockfold publish movement '{"sku":"1082185","location":"367","quantity":48,"received":{}}'
  stockfold publish movement --source wms --id count-7 '{"sku":"1082185","location":"367","quantity":40,"counted":{}}'
  stockfold publish sale '{"document":"r-1","location":"367","channel":"store","lines":[{"sku":"1082185","quantity":2}]}'
  stockfold publish movement --source erp '{"sku":"1082185","location":"367","quantity":60,"document":"po-1","line":"1","supply_expected":{"kind":"SUPPLY_KIND_PURCHASE_ORDER","due_at":"2027-01-15T06:00:00Z"}}'
  stockfold publish order --source marketplace '{"order_id":"m-1","placed":{"channel":"web","sold":true,"lines":[{"line":"1","sku":"1082185","quantity":2}]}}'
  stockfold publish order --source wms '{"order_id":"m-1","shipped":{"location":"367","lines":[{"line":"1","sku":"1082185","quantity":2}]}}'
  stockfold publish policy --command PutSafetyRule '{"rule":{"sku":"1082185","channel":"web","quantity":3}}'`
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
	fact := load.Fact{Kind: c.Kind, Data: []byte(c.Data), Source: c.Source, ID: c.ID, At: at, Sequence: c.Sequence}
	if err := c.rule(&fact); err != nil {
		return err
	}
	where, err := load.PublishOne(ctx, to, fact)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, where)
	return err
}

// rule fills in what a message about rules has beside its data.
func (c *publishCmd) rule(f *load.Fact) error {
	switch {
	case c.Kind == "policy" && c.Command == "":
		return fmt.Errorf("--command says which RPC of PolicyService is asked for: one of %s", strings.Join(policy.Commands(), ", "))
	case c.Kind != "policy" && c.Command != "":
		return fmt.Errorf("--command is for policy only")
	case c.Kind != "policy":
		return nil
	}
	command, err := policy.ReadCommand(policy.TypeOf(c.Command), f.Data)
	if err != nil {
		return err
	}
	f.Type, f.Key = policy.TypeOf(c.Command), command.Key()
	return nil
}
