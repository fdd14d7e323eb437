package node

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/stockfold/stockfold/aggregates/stock"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// connect connects to a node that is closed, with the connection, when the test ends.
func connect(t *testing.T, n *Node) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// receiveUnits records that units came to berlin, and waits until that is readable.
func receiveUnits(t *testing.T, n *Node, conn *grpc.ClientConn, id, sku string, quantity int64) {
	t.Helper()
	_, err := pb.NewStockServiceClient(conn).RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{{
		MovementId: id, Source: "wms", Sku: sku, Location: "berlin", Quantity: quantity, OccurredAt: timestamppb.Now(),
		Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.availability.WaitForEnd(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// corrupt writes a document of a SKU that its events do not come to.
func corrupt(t *testing.T, n *Node, sku string) {
	t.Helper()
	d, err := n.views.Availability().Read(t.Context(), sku)
	if err != nil || d == nil {
		t.Fatalf("got %v, %v", d, err)
	}
	bad := *d
	bad.Balances = d.Balances.Clone()
	bad.Balances.At("berlin").OnHand[stock.Sellable] += 3
	if err := n.views.Availability().Write(t.Context(), []*availability.Document{&bad}, projections.Progress{}); err != nil {
		t.Fatal(err)
	}
}

// A replay that was cut off leaves a database beside; the next start removes it.
func TestAStartRemovesWhatAReplayLeft(t *testing.T) {
	c := valid(t)
	left := filepath.Join(c.Data, "views.replay", "MANIFEST-000001")
	if err := errors.Join(os.MkdirAll(filepath.Dir(left), 0o755), os.WriteFile(left, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	n, err := Start(t.Context(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(left)); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestANodeMendsWhatDrifted(t *testing.T) {
	c := valid(t)
	c.SelfCheck = maxSelfCheck
	var log text
	n, err := Start(t.Context(), c, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	conn := connect(t, n)
	defineShop(t, conn)
	receiveUnits(t, n, conn, "m1", "milk", 4)
	corrupt(t, n, "milk")
	awaitMetric(t, n, "stockfold_self_check_mended_total 1")
	awaitMetric(t, n, "stockfold_self_check_drifted_total 1")
	d, err := n.views.Availability().Read(t.Context(), "milk")
	if err != nil || d.Balances.At("berlin").OnHand[stock.Sellable] != 4 {
		t.Errorf("stored %+v, %v", d, err)
	}
	if !log.has("is not what its events come to") || !log.has("sku=milk") || !log.has("StockReceived") {
		t.Errorf("the log says %s", log.all.String())
	}
}
