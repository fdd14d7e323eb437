package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
	"github.com/stockfold/stockfold/services/provenance"
)

// watchPath is the one REST route that streams.
const watchPath = "/v1/availability:watch"

// eventStream is the type of Server-Sent Events.
const eventStream = "text/event-stream"

// watch streams changes of availability: a line of JSON each, {"result": …} or {"error": …}, or as Server-Sent Events to
// whoever accepts those. There the event's id is the resume token, so that a browser that connects again goes on
// where it was. Headers are sent as soon as the watch is established; what is wrong before that is a plain error.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, _ map[string]string) {
	request := &pb.WatchAvailabilityRequest{}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil {
		err = strictQuery{}.Parse(request, query, utilities.NewDoubleArray(nil))
	}
	if err != nil {
		s.fail(w, r, malformed(err.Error()))
		return
	}
	events := strings.Contains(r.Header.Get("Accept"), eventStream)
	if last := r.Header.Get("Last-Event-Id"); events && last != "" {
		request.ResumeToken = last
	}
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(r.Context(), provenance.RequestIDKey, r.Header.Get(requestIDHeader)))
	defer cancel()
	stream, err := pb.NewAvailabilityServiceClient(s.loopback).WatchAvailability(ctx, request)
	if err != nil {
		s.reply(w, status.Convert(err))
		return
	}
	if established, err := established(stream); !established {
		s.reply(w, status.Convert(err))
		return
	}
	out := &watching{w: w, controller: http.NewResponseController(w), events: events}
	if out.start() == nil {
		out.forward(stream)
	}
}

// established waits until the service took the watch on. When it refused, the error is the refusal.
func established(stream grpc.ServerStreamingClient[pb.WatchAvailabilityResponse]) (bool, error) {
	header, err := stream.Header()
	if err == nil && len(header.Get("content-type")) > 0 {
		return true, nil
	}
	if _, err := stream.Recv(); err != nil {
		return false, err
	}
	return false, errors.New("the watch answered without headers")
}

// watching writes a watch to its reader.
type watching struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	events     bool
}

func (x *watching) start() error {
	kind := "application/x-ndjson"
	if x.events {
		kind = eventStream
	}
	x.w.Header().Set("Content-Type", kind)
	x.w.Header().Set("X-Accel-Buffering", "no") // proxies are to pass on each piece at once
	x.w.WriteHeader(http.StatusOK)
	return x.controller.Flush()
}

// forward passes on what changes until the stream ends or the reader leaves.
func (x *watching) forward(stream grpc.ServerStreamingClient[pb.WatchAvailabilityResponse]) {
	for {
		answer, err := stream.Recv()
		switch {
		case err == io.EOF:
			return
		case err != nil:
			_ = x.fail(status.Convert(err)) // the last thing this reader hears, if he is still there
			return
		}
		if x.send(answer) != nil {
			return
		}
	}
}

func (x *watching) send(answer *pb.WatchAvailabilityResponse) error {
	text, err := written.Marshal(answer)
	if err != nil {
		return err
	}
	if x.events {
		return x.write("id: "+answer.ResumeToken+"\ndata: ", text, "\n\n")
	}
	return x.write(`{"result":`, text, "}\n")
}

func (x *watching) fail(st *status.Status) error {
	text, err := written.Marshal(st.Proto())
	if err != nil {
		return err
	}
	if x.events {
		return x.write("event: error\ndata: ", text, "\n\n")
	}
	return x.write(`{"error":`, text, "}\n")
}

func (x *watching) write(before string, text []byte, after string) error {
	piece := make([]byte, 0, len(before)+len(text)+len(after))
	piece = append(append(append(piece, before...), text...), after...)
	if _, err := x.w.Write(piece); err != nil {
		return err
	}
	return x.controller.Flush()
}
