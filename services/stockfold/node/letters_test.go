package node

import (
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// Movements come by RPC too: what waits for a location must not wait for Kafka.
func TestLettersAreReplayedWhateverBecomesOfKafka(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"without the role":   func(c *Config) { c.Roles = []string{RoleAPI, RoleProject} },
		"without its broker": func(c *Config) { c.KafkaBrokers = []string{"127.0.0.1:1"} },
	} {
		t.Run(name, func(t *testing.T) {
			c := valid(t)
			change(&c)
			n, err := Start(t.Context(), c, quiet())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := n.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}()
			conn, err := grpc.NewClient(n.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			answer, err := pb.NewStockServiceClient(conn).RecordMovements(t.Context(), &pb.RecordMovementsRequest{Movements: []*pb.Movement{{
				MovementId: "m1", Source: "wms", Sku: "milk", Location: "köln", Quantity: 4, OccurredAt: timestamppb.Now(),
				Kind: &pb.Movement_Received_{Received: &pb.Movement_Received{}}}}})
			if err != nil || answer.Results[0].Status != pb.MovementResult_STATUS_DEAD_LETTERED {
				t.Fatalf("got %v, %v", answer, err)
			}
			_, err = pb.NewPolicyServiceClient(conn).PutLocation(t.Context(), &pb.PutLocationRequest{Location: &pb.Location{LocationId: "köln"}})
			if err != nil {
				t.Fatal(err)
			}
			awaitNoLetters(t, pb.NewOperationsServiceClient(conn))
		})
	}
}

func awaitNoLetters(t *testing.T, c pb.OperationsServiceClient) {
	t.Helper()
	limit := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		open, err := c.ListDeadLetters(t.Context(), &pb.ListDeadLettersRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if len(open.DeadLetters) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("still open: %v", open.DeadLetters)
		}
	}
}
