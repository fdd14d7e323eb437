package bench

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Every size but 1 and 2 can be had exactly, also those at which the length prefix grows.
func TestEchoMessagesHaveExactlyTheSizeAskedFor(t *testing.T) {
	sizes := []int{0, maxEcho}
	for n := 3; n < 600; n++ {
		sizes = append(sizes, n)
	}
	for n := 16_380; n < 16_400; n++ {
		sizes = append(sizes, n)
	}
	for _, size := range sizes {
		m, err := filled(size)
		if err != nil {
			t.Errorf("%d bytes: %v", size, err)
			continue
		}
		encoded, err := proto.Marshal(m)
		if err != nil || len(encoded) != size || proto.Size(m) != size {
			t.Errorf("%d bytes asked for, %d encoded (%v)", size, len(encoded), err)
		}
	}
	for _, size := range []int{-1, 1, 2, maxEcho + 1} {
		if _, err := filled(size); err == nil {
			t.Errorf("%d bytes cannot be had", size)
		}
	}
}

func TestAnEchoRequestMustBeAbleToAsk(t *testing.T) {
	for _, x := range []exchange{{5, 10}, {0, 10}, {20, 1}, {20, maxEcho + 1}} {
		if _, err := echoRequest(x); err == nil {
			t.Errorf("%+v: no error", x)
		}
	}
	if _, err := newEchoes(nil); err == nil {
		t.Error("nothing to learn the sizes from: no error")
	}
}

// echoFor starts an echo process for a test.
func echoFor(t *testing.T) *peer {
	e, err := startEcho(context.Background(), fakePrograms(t, honest), filepath.Join(t.TempDir(), "echo.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// What goes over the wire to the echo must be as long as what went to the service, call by call.
func TestTheEchoExchangesWhatTheRowExchanged(t *testing.T) {
	e := echoFor(t)
	row := scripted{{18, 34}, {130, 131}, {16_387, 900}, {1_500, 16_387}}
	w := learning(&row)
	for _, x := range row {
		request, reply := make(frame, x.request), new(frame)
		if err := w.call(context.Background(), "/row", &request, reply); err != nil {
			t.Fatal(err)
		}
	}
	echoes, err := newEchoes(w.seen)
	if err != nil {
		t.Fatal(err)
	}
	again := learning(e.conns[0])
	next := echoes.call(again, 0)
	for range w.seen {
		if err := next(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range w.seen {
		if again.seen[i] != w.seen[i] {
			t.Errorf("row %v, echo %v", w.seen[i], again.seen[i])
		}
	}
	if mean := meanSizes(again.seen); mean.Request != (18+130+16_387+1_500)/4.0 || mean.Reply != (34+131+900+16_387)/4.0 {
		t.Errorf("mean sizes: %+v", mean)
	}
}

// scripted answers requests with replies of given sizes.
type scripted []exchange

func (s *scripted) Invoke(_ context.Context, _ string, in, out any, _ ...grpc.CallOption) error {
	for _, x := range *s {
		if x.request == len(*in.(*frame)) {
			*out.(*frame) = make(frame, x.reply)
			return nil
		}
	}
	return status.Error(codes.Unimplemented, "")
}

func (s *scripted) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "")
}

func TestAnEchoOfAnotherSizeIsWrong(t *testing.T) {
	echoes, err := newEchoes([]exchange{{20, 40}})
	if err != nil {
		t.Fatal(err)
	}
	if err := echoes.call(&wire{cc: &scripted{{20, 41}}}, 0)(context.Background()); !errors.Is(err, ErrWrong) {
		t.Errorf("error: %v", err)
	}
}

func TestTheEchoRefusesWhatItCannotAnswer(t *testing.T) {
	e := echoFor(t)
	for _, value := range [][]byte{nil, {1, 2, 3}, {1, 0, 0, 0}, {0, 0, 0, 0xff}} {
		err := e.conns[0].Invoke(context.Background(), echoMethod, &wrapperspb.BytesValue{Value: value}, new(wrapperspb.BytesValue))
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("request %v: %v", value, err)
		}
	}
}

func TestOnlySizesOfWhatWasAnsweredAreLearned(t *testing.T) {
	w := learning(&scripted{{20, 40}})
	for _, size := range []int{20, 21, 20} {
		request := make(frame, size)
		_ = w.call(context.Background(), "/row", &request, new(frame))
	}
	if len(w.seen) != 2 || meanSizes(nil) != nil {
		t.Errorf("seen: %v", w.seen)
	}
	for range 2 * maxExchanges {
		w.learn(exchange{1, 2})
	}
	if len(w.seen) != maxExchanges {
		t.Errorf("%d exchanges kept", len(w.seen))
	}
}

func TestFramesAreCopiedAsTheyAre(t *testing.T) {
	f := frame("abc")
	data, err := frames{}.Marshal(&f)
	if err != nil || string(data.Materialize()) != "abc" {
		t.Errorf("%v (%v)", data, err)
	}
	back := make(frame, 100)
	room := &back[0]
	if err := (frames{}).Unmarshal(data, &back); err != nil || string(back) != "abc" || &back[0] != room {
		t.Errorf("%q (%v)", back, err)
	}
	var empty frame
	if err := (frames{}).Unmarshal(data, &empty); err != nil || string(empty) != "abc" {
		t.Errorf("%q (%v)", empty, err)
	}
	if _, err := (frames{}).Marshal("abc"); err == nil {
		t.Error("a string was encoded")
	}
	if err := (frames{}).Unmarshal(data, "abc"); err == nil {
		t.Error("a string was decoded into")
	}
	if err := decode(&f, &pb.GetAvailabilityResponse{}); !errors.Is(err, ErrWrong) {
		t.Errorf("error: %v", err)
	}
}

func TestAnEchoThatSaysSomethingElse(t *testing.T) {
	p := fakePrograms(t, honest)
	p.Echo = []string{"-test.run=^$"}
	_, err := startEcho(context.Background(), p, filepath.Join(t.TempDir(), "echo.log"))
	if err == nil || !strings.Contains(err.Error(), "echo said") {
		t.Errorf("error: %v", err)
	}
}

// An echo that cannot even tell its address must not serve.
func TestServeEchoTellsItsAddress(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if err := ServeEcho(context.Background(), w); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error: %v", err)
	}
}
