package main

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/stockfold/stockfold/aggregates"
	"github.com/stockfold/stockfold/proto/codec"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// checkShown compares what a line of an export shows to be read with the bytes that its proof is about: who changes the one and leaves
// the other is found. The position is not in these bytes, and fields that this version does not know are not compared.
func checkShown(shown *pb.Event, proved aggregates.Record) error {
	if shown == nil {
		return nil
	}
	proved.Position = shown.Position
	e, err := codec.Proto(proved)
	if err != nil {
		return err
	}
	said, err := protojson.Marshal(shown)
	if err != nil {
		return err
	}
	held, err := protojson.Marshal(e)
	if err == nil && string(said) != string(held) {
		err = fmt.Errorf("event %d of %s was changed in this file: it shows other things than the bytes in stored.leaf, which the proof is about%s",
			proved.Revision, proved.Stream, firstChanged(shown, e))
	}
	return err
}

// firstChanged names the first field, in the order of the contract, that is not alike.
func firstChanged(shown, proved *pb.Event) string {
	a, b := shown.ProtoReflect(), proved.ProtoReflect()
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if a.Has(f) != b.Has(f) || !a.Get(f).Equal(b.Get(f)) {
			return fmt.Sprintf("; the first is %s", f.JSONName())
		}
	}
	return ""
}
