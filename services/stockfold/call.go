package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// callCmd calls any method of the service: the storefront's call from a shell.
type callCmd struct {
	GRPC    string        `name:"grpc" default:"127.0.0.1:9090" placeholder:"ADDR" group:"service" help:"Address of the service (default: ${default})."`
	Timeout time.Duration `default:"10s" help:"How long to wait for the answer (default: ${default}); a watch goes on until it ends."`

	Method  string `arg:"" help:"Service and method, e.g. AvailabilityService/GetAvailability."`
	Request string `arg:"" optional:"" default:"{}" help:"Request as JSON, with the names of the contract (default: ${default})."`
}

// Help is shown below the flags.
func (*callCmd) Help() string {
	return `Prints the answer as JSON; of a stream, one answer after the other until it is interrupted.

Examples:
  stockfold call AvailabilityService/GetAvailability '{"sku":"1082185","channel":"web"}'
  stockfold call ReservationService/Reserve '{"reservation_id":"cart-1","sku":"1082185","channel":"web","quantity":2}'
  stockfold call AvailabilityService/WatchAvailability '{"channel":"web","skus":["1082185"]}'`
}

// Run calls the method and prints what it answers.
func (c *callCmd) Run(ctx context.Context, std streams, _ *slog.Logger) error {
	method, err := findMethod(c.Method)
	if err != nil {
		return err
	}
	in, err := newMessage(method.Input())
	if err != nil {
		return err
	}
	if err := protojson.Unmarshal([]byte(c.Request), in); err != nil {
		return fmt.Errorf("request is not a %s in JSON: %w", method.Input().Name(), err)
	}
	conn, err := grpc.NewClient(c.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	if method.IsStreamingServer() {
		err = stream(ctx, conn, method, in, std.out)
	} else {
		err = c.unary(ctx, conn, method, in, std.out)
	}
	return explain(err, c.GRPC)
}

func (c *callCmd) unary(ctx context.Context, conn *grpc.ClientConn, method protoreflect.MethodDescriptor, in proto.Message, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	answer, err := newMessage(method.Output())
	if err != nil {
		return err
	}
	if err := conn.Invoke(ctx, fullName(method), in, answer); err != nil {
		return err
	}
	return printJSON(out, answer)
}

func stream(ctx context.Context, conn *grpc.ClientConn, method protoreflect.MethodDescriptor, in proto.Message, out io.Writer) error {
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fullName(method))
	if err != nil {
		return err
	}
	if err := errors.Join(s.SendMsg(in), s.CloseSend()); err != nil {
		return err
	}
	for {
		answer, err := newMessage(method.Output())
		if err != nil {
			return err
		}
		switch err := s.RecvMsg(answer); {
		case err == io.EOF || ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if err := printJSON(out, answer); err != nil {
			return err
		}
	}
}

// findMethod takes "Service/Method", with or without the package before it.
func findMethod(name string) (protoreflect.MethodDescriptor, error) {
	var known []string
	services := pb.File_stockfold_inventory_v1_stock_proto.Package()
	var found protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage(services, func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				short := string(m.Parent().Name()) + "/" + string(m.Name())
				known = append(known, short)
				if name == short || name == strings.TrimPrefix(fullName(m), "/") {
					found = m
				}
			}
		}
		return true
	})
	if found == nil {
		slices.Sort(known)
		return nil, fmt.Errorf("there is no method %q; there are\n  %s", name, strings.Join(known, "\n  "))
	}
	return found, nil
}

func fullName(m protoreflect.MethodDescriptor) string {
	return "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
}

func newMessage(d protoreflect.MessageDescriptor) (proto.Message, error) {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		return nil, fmt.Errorf("message %s: %w", d.FullName(), err)
	}
	return t.New().Interface(), nil
}

// printJSON prints a message with every field, indented alike each time.
func printJSON(out io.Writer, m proto.Message) error {
	raw, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "", "  "); err != nil {
		return err
	}
	pretty.WriteByte('\n')
	_, err = out.Write(pretty.Bytes())
	return err
}

// explain adds to an error of the service its details, as JSON, and where it was asked.
func explain(err error, addr string) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	if st.Code() == codes.Unavailable && len(st.Details()) == 0 && strings.Contains(st.Message(), "Error while dialing") { // in the library's words
		return fmt.Errorf("no service answers at %s (%s: %s); --grpc, or STOCKFOLD_GRPC, says where it is", addr, st.Code(), st.Message())
	}
	text := fmt.Sprintf("%s answered %s: %s", addr, st.Code(), st.Message())
	for _, detail := range st.Details() {
		if m, ok := detail.(proto.Message); ok {
			raw, _ := protojson.Marshal(m)
			var compact bytes.Buffer
			if json.Compact(&compact, raw) == nil {
				text += fmt.Sprintf("\n  %s %s", m.ProtoReflect().Descriptor().Name(), compact.Bytes())
			}
		}
	}
	return errors.New(text)
}
