package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stockfold/stockfold/services/commands"
)

var (
	errClosed = fmt.Errorf("%w: closed", commands.ErrUnavailable)
	errLost   = errors.New("the connection to EventStoreDB was lost")
	// errUnknownAnswer says that the client cannot read what the server sent.
	errUnknownAnswer = errors.New("the server answered with what the client of EventStoreDB does not know")
	// errAnotherStore says that the server answers with other data than before.
	errAnotherStore = errors.New("the server at this address holds another store")
)

// verdict says what to do about an error of the client.
type verdict int

const (
	giveUp    verdict = iota // the same call would fail again
	tryAgain                 // the server could not, or it is not known whether it did
	reconnect                // and this client has lost it
	conflict                 // another revision than expected
	notThere                 // no such stream
	rejected                 // the server ended an append before it was complete
)

// judge reads an error of the client. The client wraps its errors, and gRPC's within them, in several ways.
func judge(err error) verdict {
	var e *esdb.Error
	if errors.As(err, &e) {
		switch e.Code() {
		case esdb.ErrorCodeWrongExpectedVersion:
			return conflict
		case esdb.ErrorCodeConnectionClosed:
			return reconnect
		case esdb.ErrorCodeNotLeader:
			return tryAgain // the client is on its way to the leader
		case esdb.ErrorCodeStreamDeleted, esdb.ErrorCodeParsing:
			return giveUp
		case esdb.ErrorCodeResourceNotFound:
			return notThere
		}
	}
	if errors.Is(err, errAnotherStore) || errors.Is(err, errUnknownAnswer) {
		return giveUp
	}
	if errors.Is(err, errLost) {
		return reconnect
	}
	if s, ok := status.FromError(err); ok {
		return judgeStatus(s)
	}
	if errors.Is(err, io.EOF) {
		return rejected
	}
	return tryAgain
}

func judgeStatus(s *status.Status) verdict {
	switch s.Code() {
	case codes.Unavailable:
		if strings.Contains(s.Message(), "Server Is ") { // not ready, too busy: the connection is sound
			return tryAgain
		}
		return reconnect
	case codes.NotFound:
		return notThere
	case codes.Unimplemented, codes.InvalidArgument, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated, codes.OutOfRange, codes.AlreadyExists:
		return giveUp
	}
	return tryAgain
}

// explain says what may be wrong with the connection string of a server that answers so.
func explain(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "does not look like a TLS handshake"):
		return fmt.Errorf("%w; the server speaks without TLS, the connection string must end with ?tls=false then", err)
	case strings.Contains(text, "server preface"):
		return fmt.Errorf("%w; does the server speak TLS? The connection string must not say tls=false then", err)
	}
	return err
}

// translate gives the error that callers see.
func translate(what string, err error) error {
	code := codes.Unknown
	if s, ok := status.FromError(err); ok {
		code = s.Code()
	}
	switch {
	case errors.Is(err, commands.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", what, err)
	case code == codes.ResourceExhausted && strings.Contains(err.Error(), "disk is full"):
		return fmt.Errorf("%s: %w: %v", what, commands.ErrFull, err)
	case code == codes.PermissionDenied, code == codes.Unauthenticated:
		return fmt.Errorf("%s: %w: %v; check user and password in the connection string, and the rights of the user", what, commands.ErrUnavailable, err)
	case code == codes.InvalidArgument && strings.Contains(err.Error(), "Maximum Append"):
		return fmt.Errorf("%s: %v; allow larger appends on the server (MaxAppendSize)", what, err)
	case judge(err) == giveUp:
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, commands.ErrUnavailable, err)
}

var actual = regexp.MustCompile(`but got '(no_stream|\d+)'`)

// actualNext reads from the error of a conflict how many events the stream has. The client says it in its text only.
func actualNext(err error) (next uint64, ok bool) {
	found := actual.FindStringSubmatch(err.Error())
	if found == nil {
		return 0, false
	}
	if found[1] == "no_stream" {
		return 0, true
	}
	last, err := strconv.ParseUint(found[1], 10, 64)
	return last + 1, err == nil
}
