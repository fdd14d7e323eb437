package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stockfold/stockfold/services/validation"
)

// tooLargeError says that a body has more than MaxRequestBytes.
type tooLargeError struct{}

func (*tooLargeError) Error() string {
	return fmt.Sprintf("the request's body has more than %d bytes; send fewer elements at once", MaxRequestBytes)
}

// body is a request's body. It knows the path's parameters, and keeps what was wrong with it for the error handler,
// which the gateway gives only a text.
type body struct {
	io.ReadCloser
	path       map[string]string
	controller *http.ResponseController
	stopping   context.Context // ends when the service stops
	err        error
}

// withBody is the gateway's middleware: it puts a body in the place of the request's.
func (s *Server) withBody(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		if r.Method == http.MethodPost { // whose body is the whole call; the gateway would not look at the query
			if err := noQuery(r.URL.RawQuery); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		if r.Method == http.MethodGet { // whose body nobody wants; the gateway would read it, however long that takes
			r.Body = http.NoBody
			next(w, r, path)
			return
		}
		r.Body = &body{ReadCloser: r.Body, path: path, controller: http.NewResponseController(w), stopping: s.stopping}
		next(w, r, path)
	}
}

func noQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return malformed(err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		return malformed(complaint(name, "is given by the body, not by the query").Error())
	}
	return nil
}

// jsonMarshaler is how the gateway reads and writes JSON.
type jsonMarshaler struct{ runtime.JSONPb }

var _ runtime.Marshaler = (*jsonMarshaler)(nil)

func newMarshaler() *jsonMarshaler {
	return &jsonMarshaler{runtime.JSONPb{MarshalOptions: written}}
}

// NewDecoder reads bodies strictly.
func (*jsonMarshaler) NewDecoder(r io.Reader) runtime.Decoder {
	var objects *objects
	return runtime.DecoderFunc(func(v any) error {
		b, ok := r.(*body)
		if !ok {
			return fmt.Errorf("body is a %T, which the gateway's middleware did not make", r)
		}
		m, ok := v.(proto.Message)
		if !ok || !streamed[m.ProtoReflect().Descriptor().FullName()] {
			b.err = b.decode(v)
			return b.err
		}
		if objects == nil {
			objects = b.objects()
		}
		err := objects.next(m)
		if !errors.Is(err, io.EOF) { // which is how the gateway is told that all was read
			b.err = err
		}
		return err
	})
}

// decode reads a whole body into a message. An empty one leaves the message as it is.
func (b *body) decode(v any) error {
	raw, err := b.readAll()
	switch {
	case err != nil:
		return invalidBody("body", "could not be read: %v", err)
	case len(raw) > MaxRequestBytes:
		return &tooLargeError{}
	case len(raw) == 0:
		return nil
	}
	m, err := messageIn(v)
	if err != nil {
		return err
	}
	if err := protojson.Unmarshal(raw, m); err != nil {
		return badJSON(raw, err)
	}
	return b.agrees(m)
}

// readAll gives the whole body a bounded time to come, and little of it once the service stops.
func (b *body) readAll() ([]byte, error) {
	_ = b.controller.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer func() { _ = b.controller.SetReadDeadline(time.Time{}) }()
	defer context.AfterFunc(b.stopping, func() { _ = b.controller.SetReadDeadline(time.Now().Add(lastBodyTimeout)) })()
	return io.ReadAll(io.LimitReader(b, MaxRequestBytes+1))
}

// messageIn is the message that the gateway wants filled: given as one, or as a field that may have none yet.
func messageIn(v any) (proto.Message, error) {
	if m, ok := v.(proto.Message); ok {
		return m, nil
	}
	field := reflect.ValueOf(v).Elem()
	if field.Kind() == reflect.Pointer && field.IsNil() {
		field.Set(reflect.New(field.Type().Elem()))
	}
	m, ok := field.Interface().(proto.Message)
	if !ok {
		return nil, fmt.Errorf("body is read into a %T, which is no message", v)
	}
	return m, nil
}

// agrees checks that what the path says, a body says alike or leaves out.
func (b *body) agrees(m proto.Message) error {
	fields := m.ProtoReflect().Descriptor().Fields()
	for path, value := range b.path {
		name := path[strings.LastIndexByte(path, '.')+1:]
		f := fields.ByName(protoreflect.Name(name))
		if f == nil || f.Kind() != protoreflect.StringKind {
			continue
		}
		if said := m.ProtoReflect().Get(f).String(); said != "" && said != value {
			return invalidBody(path, "must be left out or equal to that of the path, %q, is %q", value, said)
		}
	}
	return nil
}

func badJSON(raw []byte, err error) error {
	text := strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")
	field := fieldOf(raw, text)
	if field == "" {
		field = "body"
	}
	return invalidBody(field, "%s", text)
}

func invalidBody(field, rule string, args ...any) error {
	var c validation.Checker
	c.Fail(field, rule, args...)
	return c.Err()
}
