package api

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	domain "github.com/stockfold/stockfold/aggregates/audit"
	"github.com/stockfold/stockfold/aggregates/order"
	"github.com/stockfold/stockfold/aggregates/rules"
	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	view "github.com/stockfold/stockfold/projections/availability"
	"github.com/stockfold/stockfold/projections/reservations"
	"github.com/stockfold/stockfold/services/audit"
	"github.com/stockfold/stockfold/services/availability"
	"github.com/stockfold/stockfold/services/commands"
	"github.com/stockfold/stockfold/services/ingest"
	"github.com/stockfold/stockfold/services/policy"
	"github.com/stockfold/stockfold/services/refusals"
	"github.com/stockfold/stockfold/services/reservation"
	"github.com/stockfold/stockfold/services/retention"
	"github.com/stockfold/stockfold/services/tokens"
	"github.com/stockfold/stockfold/services/validation"
)

// told is what a caller must be told of an error.
type told struct {
	err      error
	code     codes.Code
	reason   string
	metadata string // as name=value, sorted, joined by spaces
	fields   string // names, joined by spaces
	retry    bool
}

func invalidFields() error {
	var c validation.Checker
	c.Fail("a", "must be so")
	c.Fail("b[2]", "must be otherwise")
	return c.Err()
}

// table is the whole of what errors become. Keys say which error it is.
var table = map[string]told{
	"validation.Error":          {invalidFields(), codes.InvalidArgument, "INVALID_FIELDS", "", "a b[2]", false},
	"validation.ClockSkewError": {&validation.ClockSkewError{Field: "occurred_at", OccurredAt: 2e6, Now: 1e6}, codes.InvalidArgument, "CLOCK_SKEW", "now=1970-01-01T00:00:01Z occurred_at=1970-01-01T00:00:02Z", "occurred_at", false},
	"tokens.ForeignError":       {&tokens.ForeignError{Field: "token"}, codes.InvalidArgument, "TOKEN_FOREIGN", "", "token", false},
	"api.tooLargeError":         {&tooLargeError{}, codes.ResourceExhausted, "REQUEST_TOO_LARGE", "limit=4194304", "", false},
	"stock.DecimalsError":       {&stock.DecimalsError{Text: "1.25", Decimals: 1}, codes.InvalidArgument, "TOO_MANY_DECIMALS", "decimals=1", "decimal", false},
	"stock.NumberError":         {&stock.NumberError{Text: "x", Rule: "is no number"}, codes.InvalidArgument, "INVALID_FIELDS", "", "decimal", false},
	"stock.QuantityError":       {&stock.QuantityError{}, codes.InvalidArgument, "INVALID_FIELDS", "", "quantity", false},
	"stock.HoldSecondsError":    {&stock.HoldSecondsError{}, codes.InvalidArgument, "INVALID_FIELDS", "", "hold_seconds", false},
	"stock.ExpiryError":         {&stock.ExpiryError{}, codes.InvalidArgument, "INVALID_FIELDS", "", "expires_at", false},
	"stock.PromiseDateError":    {&stock.PromiseDateError{}, codes.InvalidArgument, "INVALID_FIELDS", "", "promise_at", false},
	"stock.SupplyError":         {&stock.SupplyError{Field: "due_at"}, codes.InvalidArgument, "INVALID_FIELDS", "", "due_at", false},
	"stock.ErrUnknownKind":      {stock.ErrUnknownKind, codes.InvalidArgument, "INVALID_FIELDS", "", "kind", false},
	"stock.ErrUnknownCondition": {stock.ErrUnknownCondition, codes.InvalidArgument, "INVALID_FIELDS", "", "condition", false},
	"stock.ErrRepeatedLocation": {stock.ErrRepeatedLocation, codes.InvalidArgument, "INVALID_FIELDS", "", "location", false},

	"refusals.UnknownSKU":         {&refusals.UnknownSKU{SKU: "s"}, codes.NotFound, "UNKNOWN_SKU", "sku=s", "", false},
	"refusals.UnknownChannel":     {&refusals.UnknownChannel{Channel: "c"}, codes.NotFound, "UNKNOWN_CHANNEL", "channel=c", "", false},
	"refusals.UnknownLocations":   {&refusals.UnknownLocations{Locations: []string{"l", "m"}}, codes.NotFound, "UNKNOWN_LOCATION", "count=2 location=l", "", false},
	"refusals.UnknownReservation": {&refusals.UnknownReservation{ReservationID: "r"}, codes.NotFound, "UNKNOWN_RESERVATION", "reservation_id=r", "", false},
	"refusals.SumOverflow":        {&refusals.SumOverflow{What: "on hand"}, codes.FailedPrecondition, "QUANTITY_OVERFLOW", "", "", false},
	"refusals.TooManyEvents":      {&refusals.TooManyEvents{Stream: "sku-s", Limit: 5}, codes.ResourceExhausted, "TOO_MANY_EVENTS", "", "", false},
	"refusals.UnknownEvent":       {&refusals.UnknownEvent{EventID: "e"}, codes.NotFound, "UNKNOWN_EVENT", "event_id=e", "", false},
	"refusals.UnknownTrace":       {&refusals.UnknownTrace{ID: "i"}, codes.NotFound, "UNKNOWN_TRACE", "id=i", "", false},
	"refusals.NotInTreeHead":      {&refusals.NotInTreeHead{EventID: "e"}, codes.FailedPrecondition, "NOT_IN_TREE_HEAD", "event_id=e", "", false},
	"audit.ForkedError":           {&domain.ForkedError{Size: 7}, codes.FailedPrecondition, "FORKED_HISTORY", "tree_size=7", "", false},
	"audit.ErrNoHead":             {audit.ErrNoHead, codes.NotFound, "NO_TREE_HEAD", "", "", false},
	"audit.ErrNoKey":              {audit.ErrNoKey, codes.FailedPrecondition, "NO_SIGNING_KEY", "", "", false},
	"stock.ErrUnknownSKU":         {stock.ErrUnknownSKU, codes.NotFound, "UNKNOWN_SKU", "", "", false},
	"stock.ErrUnknownReservation": {stock.ErrUnknownReservation, codes.NotFound, "UNKNOWN_RESERVATION", "", "", false},
	"reservations.ErrNotFound":    {reservations.ErrNotFound, codes.NotFound, "UNKNOWN_RESERVATION", "", "", false},
	"availability.UnknownChannel": {view.ErrUnknownChannel, codes.NotFound, "UNKNOWN_CHANNEL", "", "", false},
	"ingest.ErrNoDeadLetter":      {ingest.ErrNoDeadLetter, codes.NotFound, "UNKNOWN_DEAD_LETTER", "", "", false},
	"stock.InsufficientError":     {&stock.InsufficientError{Requested: 5, Available: 3}, codes.FailedPrecondition, "INSUFFICIENT_STOCK", "available=3 requested=5", "", false},
	"stock.InsufficientSupply": {&stock.InsufficientError{Requested: 5, Available: 3, PromiseAt: 1_000_000},
		codes.FailedPrecondition, "INSUFFICIENT_STOCK", "available=3 promise_at=1970-01-01T00:00:01Z requested=5", "", false},
	"stock.TooManyDatesError":   {&stock.TooManyDatesError{Location: "l", Limit: 7}, codes.ResourceExhausted, "TOO_MANY_PROMISE_DATES", "limit=7 location=l", "", false},
	"stock.TooManySupplyError":  {&stock.TooManySupplyError{Document: "po"}, codes.ResourceExhausted, "TOO_MANY_SUPPLY_LINES", "document=po", "", false},
	"stock.InsufficientBeyond":  {&stock.InsufficientError{Requested: 5, Available: 3, Beyond: 1}, codes.FailedPrecondition, "INSUFFICIENT_STOCK", "available=3 beyond=1 requested=5", "", false},
	"stock.NotSoldError":        {&stock.NotSoldError{Channel: "c"}, codes.FailedPrecondition, "NOT_SOLD_HERE", "channel=c", "", false},
	"stock.NoLocationError":     {&stock.NoLocationError{Channel: "c", Location: "l", Method: "m"}, codes.FailedPrecondition, "NO_LOCATION_SERVES", "channel=c location=l method=m", "", false},
	"stock.TooManySplitsError":  {&stock.TooManySplitsError{Requested: 5, Limit: 1, Most: 3}, codes.FailedPrecondition, "TOO_MANY_SPLITS", "limit=1 most=3 requested=5", "", false},
	"stock.MethodError":         {&stock.MethodError{Method: "m"}, codes.FailedPrecondition, "UNKNOWN_METHOD", "method=m", "", false},
	"stock.AllocationUsedError": {&stock.AllocationUsedError{Channel: "c", Group: "g", Fence: 1, Used: 2}, codes.FailedPrecondition, "ALLOCATION_USED", "cap=0 channel=c fence=1 group=g used=2", "", false},
	"stock.OverlapError":        {&stock.OverlapError{Channel: "c", Group: "g", Other: "o", Location: "l"}, codes.FailedPrecondition, "ALLOCATIONS_OVERLAP", "channel=c group=g location=l other=o", "", false},
	"stock.BackordersUsedError": {&stock.BackordersUsedError{Channel: "c", Limit: 1, Used: 2}, codes.FailedPrecondition, "BACKORDERS_USED", "channel=c limit=1 used=2", "", false},
	"stock.BoundError":          {&stock.BoundError{Limit: 9}, codes.FailedPrecondition, "TOO_MANY_RULES", "limit=9", "", false},
	"stock.KitError": {&stock.KitError{Kit: stock.Kit{Components: []stock.Component{{SKU: "cup", Quantity: 1}}}}, codes.FailedPrecondition,
		"KIT_HOLDS_NO_STOCK", "", "", false},
	"stock.KitHoldsError":             {&stock.KitHoldsError{What: "live reservations", Quantity: 2}, codes.FailedPrecondition, "KIT_HOLDS_STOCK", "quantity=2 what=live reservations", "", false},
	"stock.NestedKitError":            {&stock.NestedKitError{Component: "set"}, codes.FailedPrecondition, "KIT_NESTED", "component=set", "", false},
	"stock.NestedKitError of":         {&stock.NestedKitError{Kits: []stock.Membership{{Kit: "box", Version: 1}}}, codes.FailedPrecondition, "KIT_NESTED", "kit=box", "", false},
	"stock.KitChangedError":           {&stock.KitChangedError{Version: 3}, codes.Aborted, "CONTENDED", "", "", true},
	"reservation.KitReservationError": {&reservation.KitReservationError{ReservationID: "r"}, codes.FailedPrecondition, "KIT_RESERVATION", "reservation_id=r", "", false},
	"stock.ComponentError":            {&stock.ComponentError{SKU: "cup", Rule: "must be whole"}, codes.InvalidArgument, "INVALID_FIELDS", "", "kit.components", false},
	"policy.GroupError":               {&policy.GroupError{Group: "g"}, codes.FailedPrecondition, "UNKNOWN_GROUP", "group=g", "", false},
	"stock.PeriodError":               {&stock.PeriodError{}, codes.InvalidArgument, "INVALID_FIELDS", "", "until", false},
	"stock.ErrLocationNeeded":         {stock.ErrLocationNeeded, codes.InvalidArgument, "LOCATION_NEEDED", "", "location", false},
	"rules.ScopeError":                {&rules.ScopeError{}, codes.InvalidArgument, "INVALID_FIELDS", "", "rule", false},
	"rules.ReturnScopeError":          {&rules.ReturnScopeError{}, codes.InvalidArgument, "INVALID_FIELDS", "", "rule", false},
	"stock.NotLiveError":              {&stock.NotLiveError{ReservationID: "r", Status: stock.StatusExpired}, codes.FailedPrecondition, "RESERVATION_NOT_LIVE", "reservation_id=r status=expired", "", false},
	"stock.NotHeldError":              {&stock.NotHeldError{ReservationID: "r"}, codes.FailedPrecondition, "RESERVATION_NOT_HELD", "reservation_id=r", "", false},
	"stock.ExceedsError":              {&stock.ExceedsError{ReservationID: "r", Requested: 5, Remaining: 3}, codes.FailedPrecondition, "EXCEEDS_REMAINING", "remaining=3 requested=5 reservation_id=r", "", false},
	"stock.DecimalsFixedError":        {&stock.DecimalsFixedError{Decimals: 1, Requested: 2}, codes.FailedPrecondition, "DECIMALS_FIXED", "decimals=1 requested=2", "", false},
	"stock.OverflowError":             {&stock.OverflowError{Location: "l"}, codes.FailedPrecondition, "QUANTITY_OVERFLOW", "location=l", "", false},
	"stock.KeyReusedError":            {&stock.KeyReusedError{Key: "k"}, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED", "key=k", "", false},
	"stock.TooManyError":              {&stock.TooManyError{Limit: 1}, codes.ResourceExhausted, "TOO_MANY_RESERVATIONS", "", "", true},
	"ingest.StateError":               {&ingest.StateError{ID: "d"}, codes.FailedPrecondition, "DEAD_LETTER_CLOSED", "dead_letter_id=d", "", false},
	"ingest.NotReplayableError":       {&ingest.NotReplayableError{ID: "d"}, codes.FailedPrecondition, "NOT_REPLAYABLE", "dead_letter_id=d", "", false},
	"availability.TooManyWatches":     {availability.ErrTooManyWatches, codes.ResourceExhausted, "TOO_MANY_WATCHES", "", "", true},
	"api.errTooManyCalls":             {errTooManyCalls, codes.ResourceExhausted, "OVERLOADED", "", "", true},
	"commands.ErrOverloaded":          {commands.ErrOverloaded, codes.ResourceExhausted, "OVERLOADED", "", "", true},
	"projections.TooManyWaiters":      {projections.ErrTooManyWaiters, codes.ResourceExhausted, "OVERLOADED", "", "", true},
	"commands.ErrUnavailable":         {commands.ErrUnavailable, codes.Unavailable, "STORE_UNAVAILABLE", "", "", true},
	"commands.ErrFull":                {commands.ErrFull, codes.Unavailable, "DISK_FULL", "", "", true},
	"commands.ErrUnknownOutcome":      {commands.ErrUnknownOutcome, codes.Unavailable, "OUTCOME_UNKNOWN", "", "", true},
	"commands.ErrClosed":              {commands.ErrClosed, codes.Unavailable, "STOPPING", "", "", true},
	"refusals.ErrStopping":            {refusals.ErrStopping, codes.Unavailable, "STOPPING", "", "", true},
	"api.notReadyError":               {&notReadyError{errors.New("folding")}, codes.Unavailable, "NOT_READY", "", "", true},
	"commands.ErrContended":           {commands.ErrContended, codes.Aborted, "CONTENDED", "", "", true},
	"commands.ConflictError":          {&commands.ConflictError{}, codes.Aborted, "CONTENDED", "", "", true},
	"tokens.NotYetVisibleError":       {&tokens.NotYetVisibleError{Err: context.DeadlineExceeded}, codes.DeadlineExceeded, "NOT_YET_VISIBLE", "", "", true},
	"context.DeadlineExceeded":        {context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "", "", false},
	"context.Canceled":                {context.Canceled, codes.Canceled, "CANCELLED", "", "", false},
	"stock.NeedHistory":               {&stock.NeedHistory{}, codes.Internal, "INTERNAL", "", "", false}, // never leaves services/commands
	"stock.ErrDamaged":                {stock.ErrDamaged, codes.Internal, "INTERNAL", "", "", false},     // neither does this
	"order.ErrUnknown":                {order.ErrUnknown, codes.NotFound, "UNKNOWN_ORDER", "", "", false},
	"stock.CostError":                 {&stock.CostError{Rule: "r"}, codes.InvalidArgument, "INVALID_FIELDS", "", "unit_cost", false},
	"refusals.ErrNoLedger":            {refusals.ErrNoLedger, codes.FailedPrecondition, "NO_LEDGER", "", "", false},
	"refusals.ErrCondensing":          {refusals.ErrCondensing, codes.ResourceExhausted, "CONDENSING", "", "", true},
	"retention.ErrUnread":             {fmt.Errorf("%w: the ledger has stopped", retention.ErrUnread), codes.Unavailable, "NOT_READY", "", "", true},
	"refusals.ErrNotCondensable":      {refusals.ErrNotCondensable, codes.FailedPrecondition, "NOT_CONDENSABLE", "", "", false},
	"refusals.ErrReplayRunning":       {refusals.ErrReplayRunning, codes.ResourceExhausted, "REPLAY_RUNNING", "", "", true},
	"refusals.ErrNoReadModel":         {refusals.ErrNoReadModel, codes.FailedPrecondition, "NO_READ_MODEL", "", "", false},
	"refusals.ErrNotTaken":            {refusals.ErrNotTaken, codes.Aborted, "ANSWER_NOT_TAKEN", "", "", false},
	"availability.ErrNoRoom":          {view.ErrNoRoom, codes.ResourceExhausted, "NO_ROOM", "", "", false},
	"availability.ErrNotExchanged":    {view.ErrNotExchanged, codes.Aborted, "NOT_EXCHANGED", "", "", true},
	"refusals.ErrTooManySnapshots":    {refusals.ErrTooManySnapshots, codes.ResourceExhausted, "TOO_MANY_SNAPSHOTS", "", "", true},
	"order.ShortError": {&order.ShortError{Short: []order.Shortage{{Line: "1", SKU: "s", Requested: 5, Available: 3, Reason: order.ShortInsufficient}}},
		codes.FailedPrecondition, "ORDER_SHORT", "lines=1 short_1=line=1 sku=s requested=5 available=3 reason=INSUFFICIENT_STOCK", "", false},
	"order.NotLiveError": {&order.NotLiveError{Status: order.StatusRejected}, codes.FailedPrecondition, "ORDER_NOT_LIVE", "status=rejected", "", false},
	"order.NotHeldError": {&order.NotHeldError{}, codes.FailedPrecondition, "ORDER_NOT_HELD", "", "", false},
	"order.TooManyError": {&order.TooManyError{What: "lines", Limit: 500}, codes.FailedPrecondition, "ORDER_TOO_LARGE", "limit=500", "", false},
	"order.ReusedError":  {&order.ReusedError{What: "the order's id"}, codes.AlreadyExists, "IDEMPOTENCY_KEY_REUSED", "", "", false},
	"stock.NoSiteError":  {&stock.NoSiteError{Channel: "c"}, codes.FailedPrecondition, "NO_LOCATION_TO_SELL_FROM", "channel=c", "", false},
	"anything else":      {errors.New("pebble: /secret/path is broken"), codes.Internal, "INTERNAL", "", "", false},
}

// heard is what a status says, in the form of told.
func heard(st *status.Status) told {
	h := told{code: st.Code()}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			var facts []string
			for k, v := range d.Metadata {
				if k != "error_id" {
					facts = append(facts, k+"="+v)
				}
			}
			slices.Sort(facts)
			h.reason, h.metadata = d.Reason, strings.Join(facts, " ")
		case *errdetails.BadRequest:
			var names []string
			for _, v := range d.FieldViolations {
				names = append(names, v.Field)
			}
			h.fields = strings.Join(names, " ")
		case *errdetails.RetryInfo:
			h.retry = d.RetryDelay.AsDuration() > 0
		}
	}
	return h
}

func quietServer() *Server { return &Server{log: slog.New(slog.DiscardHandler)} }

func TestEveryErrorBecomesTheStatusOfTheTable(t *testing.T) {
	s := quietServer()
	wraps := map[string]func(error) error{
		"bare":    func(err error) error { return err },
		"wrapped": func(err error) error { return fmt.Errorf("append to sku-milk: %w", fmt.Errorf("try 3: %w", err)) },
		"joined":  func(err error) error { return errors.Join(errors.New("first"), fmt.Errorf("second: %w", err)) },
	}
	for name, want := range table {
		for how, wrap := range wraps {
			t.Run(name+" "+how, func(t *testing.T) {
				got := heard(s.statusOf(t.Context(), "/m", wrap(want.err)))
				if got.err = want.err; got != want {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			})
		}
	}
}

func TestWhatAnErrorWasAboutIsAdded(t *testing.T) {
	err := fmt.Errorf("deep: %w", refusals.About(&stock.InsufficientError{Requested: 5, Available: 3},
		refusals.Fact{Name: "sku", Value: "milk\xff"}, refusals.Fact{Name: "available", Value: "not this one"}))
	got := heard(quietServer().statusOf(t.Context(), "/m", err))
	if got.metadata != "available=3 requested=5 sku=milk\uFFFD" {
		t.Errorf("got %+v", got)
	}
}

func TestAnInternalErrorTellsNothingButItsID(t *testing.T) {
	var log strings.Builder
	s := &Server{log: slog.New(slog.NewTextHandler(&log, nil))}
	st := s.statusOf(t.Context(), "/m", table["anything else"].err)
	var id string
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			id = info.Metadata["error_id"]
		}
	}
	if id == "" || !strings.Contains(st.Message(), id) || strings.Contains(st.Message(), "secret") {
		t.Errorf("told %q, id %q", st.Message(), id)
	}
	if !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "secret") {
		t.Errorf("logged %q", log.String())
	}
}

func TestTroubleIsLoggedOnceASecond(t *testing.T) {
	var x seldom
	at := time.Unix(1000, 0)
	if !x.allow(at) || x.allow(at.Add(999*time.Millisecond)) || !x.allow(at.Add(time.Second)) {
		t.Error("not once a second")
	}
}

func TestAStatusPassesAsItIs(t *testing.T) {
	want := status.New(codes.DataLoss, "as it is")
	if got := quietServer().statusOf(t.Context(), "/m", want.Err()); got.Code() != want.Code() || got.Message() != want.Message() {
		t.Errorf("got %v", got)
	}
}

// errorsOf lists the exported errors that a package declares: variables Err…, and types with an Error method.
func errorsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			names = append(names, errorsIn(d)...)
		}
	}
	return names
}

func errorsIn(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if star, ok := receiver(d).(*ast.StarExpr); ok && d.Name.Name == "Error" {
			names = append(names, star.X.(*ast.Ident).Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if v, ok := s.(*ast.ValueSpec); ok && d.Tok == token.VAR && strings.HasPrefix(v.Names[0].Name, "Err") {
				names = append(names, v.Names[0].Name)
			}
		}
	}
	return names
}

func receiver(d *ast.FuncDecl) ast.Expr {
	if d.Recv == nil {
		return nil
	}
	return d.Recv.List[0].Type
}

func TestNoErrorOfTheDomainOrOfCommandsIsMissingInTheTable(t *testing.T) {
	for name, dir := range map[string]string{"stock": "../../aggregates/stock", "commands": "../commands", "validation": "../validation",
		"refusals": "../refusals", "tokens": "../tokens", "order": "../../aggregates/order"} {
		found := errorsOf(t, dir)
		if len(found) < 2 {
			t.Fatalf("found only %v in %s", found, dir)
		}
		for _, e := range found {
			if _, ok := table[name+"."+e]; !ok && e != "Matter" && ast.IsExported(e) {
				t.Errorf("%s.%s is not in the table", name, e)
			}
		}
	}
}
