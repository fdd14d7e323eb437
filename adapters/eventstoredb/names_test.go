package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/services/commands"
)

func anyName() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		rapid.StringMatching(`\$?[a-z%]*(%2[0-9A-Fa-f])?`))
}

func TestNamesComeBackAndAreText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := anyName().Draw(t, "name")
		text := escape(name)
		if got := unescape(text); got != name {
			t.Fatalf("%q is written as %q and read as %q", name, text, got)
		}
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.HasPrefix(text, "$") {
			t.Fatalf("%q is written as %q", name, text)
		}
	})
}

func TestDifferentNamesAreWrittenDifferently(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyName().Draw(t, "a"), anyName().Draw(t, "b")
		if a != b && escape(a) == escape(b) {
			t.Fatalf("%q and %q are both %q", a, b, escape(a))
		}
	})
}

// What a prefix selects, the prefix as it is written selects too.
func TestPrefixesSelectWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := anyName().Draw(t, "name")
		prefix := name[:rapid.IntRange(0, len(name)).Draw(t, "length")]
		if !strings.HasPrefix(escape(name), escapePrefix(prefix)) {
			t.Fatalf("prefix %q of %q is written %q, the name %q", prefix, name, escapePrefix(prefix), escape(name))
		}
	})
}

func TestNamesOfOthersStayAsTheyAre(t *testing.T) {
	for _, name := range []string{"100%", "100%x", "%zz", "%41", "a%2f", "%", "$%24x"} {
		if got := unescape(name); got != name {
			t.Errorf("%q is read as %q", name, got)
		}
	}
}

func TestJudgement(t *testing.T) {
	of := func(c codes.Code, text string) error {
		return fmt.Errorf("failed to read. Reason: %w", status.Error(c, text))
	}
	for i, x := range []struct {
		err  error
		want verdict
	}{
		{of(codes.Unavailable, "connection refused"), reconnect},
		{of(codes.Unavailable, "Server Is Too Busy"), tryAgain},
		{of(codes.Unavailable, "Server Is Not Ready"), tryAgain},
		{of(codes.Aborted, "Operation timed out"), tryAgain},
		{of(codes.DeadlineExceeded, ""), tryAgain},
		{of(codes.Canceled, ""), tryAgain},
		{of(codes.Unknown, "No leader info available in response"), tryAgain},
		{of(codes.Internal, "stream terminated by RST_STREAM"), tryAgain},
		{of(codes.ResourceExhausted, ""), tryAgain},
		{of(codes.NotFound, ""), notThere},
		{of(codes.InvalidArgument, ""), giveUp},
		{of(codes.PermissionDenied, ""), giveUp},
		{of(codes.Unauthenticated, ""), giveUp},
		{of(codes.Unimplemented, ""), giveUp},
		{of(codes.FailedPrecondition, ""), giveUp},
		{fmt.Errorf("could not send: %w", io.EOF), rejected},
		{fmt.Errorf("%w: %w", errLost, io.EOF), reconnect},
		{fmt.Errorf("x: %w", errAnotherStore), giveUp},
		{errors.New("something else"), tryAgain},
	} {
		if got := judge(x.err); got != x.want {
			t.Errorf("%d: %v is judged %d, want %d", i, x.err, got, x.want)
		}
	}
}

func TestErrorsThatCallersSee(t *testing.T) {
	for _, x := range []struct {
		err  error
		want error
	}{
		{status.Error(codes.PermissionDenied, "no"), commands.ErrUnavailable},
		{status.Error(codes.ResourceExhausted, "event store unavailable: disk is full"), commands.ErrFull},
		{status.Error(codes.Unavailable, "gone"), commands.ErrUnavailable},
		{context.Canceled, context.Canceled},
		{errClosed, commands.ErrUnavailable},
	} {
		if got := translate("read", x.err); !errors.Is(got, x.want) || !strings.HasPrefix(got.Error(), "read: ") {
			t.Errorf("%v became %v, want %v", x.err, got, x.want)
		}
	}
	if got := translate("read", status.Error(codes.InvalidArgument, "bad")); errors.Is(got, commands.ErrUnavailable) {
		t.Errorf("got %v", got)
	}
}

func TestTheActualRevisionIsReadFromTheText(t *testing.T) {
	for text, want := range map[string]uint64{"wrong expected version: expecting '3' but got '7'": 8, "… expecting '3' but got 'no_stream'": 0} {
		if got, ok := actualNext(errors.New(text)); !ok || got != want {
			t.Errorf("%s: got %d, %v", text, got, ok)
		}
	}
	if _, ok := actualNext(errors.New("wrong expected version")); ok {
		t.Error("there is no revision in it")
	}
}

// A panic of the client's that is not known ends the program, as it should.
func TestOnlyKnownPanicsAreTaken(t *testing.T) {
	closed := make(chan int)
	close(closed)
	if err := guarded(func() error { closed <- 1; return nil }); !errors.Is(err, errLost) {
		t.Errorf("got %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a panic was swallowed")
		}
	}()
	_ = guarded(func() error { panic("other") })
}
