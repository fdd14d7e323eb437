package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// A call that takes a stream of messages takes them in a body as JSON objects, one behind the other, each of at most MaxRequestBytes: a line each, or written over
// many lines. How many there are is the call's matter.

// streamed are the messages of the contract of which a call takes many.
var streamed = func() map[protoreflect.FullName]bool {
	found := map[protoreflect.FullName]bool{}
	protoregistry.GlobalFiles.RangeFilesByPackage(pb.File_stockfold_inventory_v1_reconciliation_proto.Package(), func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				if m := methods.Get(j); m.IsStreamingClient() {
					found[m.Input().FullName()] = true
				}
			}
		}
		return true
	})
	return found
}()

// objects reads the objects of a body.
type objects struct {
	*body
	bounded *bounded
	from    *json.Decoder
}

func (b *body) objects() *objects {
	r := &bounded{r: b}
	return &objects{b, r, json.NewDecoder(r)}
}

// next reads the next object into a message. It returns io.EOF behind the last.
func (o *objects) next(m proto.Message) error {
	_ = o.controller.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer func() { _ = o.controller.SetReadDeadline(time.Time{}) }()
	o.bounded.left = MaxRequestBytes
	var raw json.RawMessage
	err := o.from.Decode(&raw)
	var large *tooLargeError
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.As(err, &large):
		return err
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		return invalidBody("body", "must be JSON objects, one behind the other: %v", err)
	case err != nil:
		return invalidBody("body", "could not be read: %v", err)
	}
	if raw = bytes.TrimSpace(raw); len(raw) > MaxRequestBytes {
		return &tooLargeError{}
	}
	if err := protojson.Unmarshal(raw, m); err != nil {
		return badJSON(raw, err)
	}
	return o.agrees(m)
}

// bounded reads no more than what is left. What it read ahead belongs to the next object.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, &tooLargeError{}
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
