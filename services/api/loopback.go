package api

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

const (
	pipeBytes = 1 << 20
	// maxAnswerBytes is the largest answer that REST passes on.
	maxAnswerBytes = 64 << 20
)

// newLoopback makes the connection by which REST calls the gRPC server in its own process.
func newLoopback() (*bufconn.Listener, *grpc.ClientConn, error) {
	pipe := bufconn.Listen(pipeBytes)
	conn, err := grpc.NewClient("passthrough:///in-process",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(maxAnswerBytes)),
		grpc.WithDisableServiceConfig(),
	)
	if err != nil {
		return nil, nil, fmt.Errorf("connect REST to gRPC: %w", err)
	}
	return pipe, conn, nil
}
