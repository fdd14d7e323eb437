package eventstoredb_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stockfold/stockfold/adapters/esdbserver"
	"github.com/stockfold/stockfold/adapters/eventstoredb"
	"github.com/stockfold/stockfold/adapters/pebble"
)

// stockMaxAppend is what EventStoreDB takes in one append unless it is told otherwise.
const stockMaxAppend = 1 << 20

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// node is a server that can be killed and started again on the same data, at the same address or another.
type node struct {
	*testing.T
	data   *pebble.Store
	opts   esdbserver.Options
	server *esdbserver.Server
	addr   string
	served chan error
}

func newData(t *testing.T) *pebble.Store {
	t.Helper()
	data, err := pebble.Open("events", pebble.Options{FS: vfs.NewMem(), Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := data.Close(); err != nil {
			t.Error(err)
		}
	})
	return data
}

func newNode(t *testing.T, data *pebble.Store, opts esdbserver.Options) *node {
	t.Helper()
	n := &node{T: t, data: data, opts: opts, addr: "127.0.0.1:0"}
	if n.opts.MaxAppendBytes == 0 {
		n.opts.MaxAppendBytes = stockMaxAppend
	}
	n.start()
	t.Cleanup(n.kill)
	return n
}

func (n *node) start() {
	n.Helper()
	server, err := esdbserver.New(context.Background(), n.data, n.opts)
	if err != nil {
		n.Fatal(err)
	}
	var l net.Listener
	for range 100 { // the port may still be taken by what was just killed
		if l, err = net.Listen("tcp", n.addr); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		n.Fatal(err)
	}
	n.server, n.addr, n.served = server, l.Addr().String(), make(chan error, 1)
	go func() { n.served <- server.Serve(l) }()
}

// kill cuts off every client at once.
func (n *node) kill() {
	n.Helper()
	if n.server == nil {
		return
	}
	n.server.Kill()
	if err := <-n.served; err != nil {
		n.Errorf("serve: %v", err)
	}
	n.server = nil
}

func (n *node) url() string { return "esdb://" + n.addr + "?tls=false" }

// options find out soon that a server is gone, so that tests do not wait.
func options() eventstoredb.Options {
	return eventstoredb.Options{ProbeEvery: 100 * time.Millisecond, ProbeTimeout: time.Second, Log: quiet()}
}

func open(t *testing.T, url string, opts eventstoredb.Options) *eventstoredb.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := eventstoredb.Open(ctx, url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// proxy stands between a client and a server, and can do to their connections what networks do.
type proxy struct {
	*testing.T
	listener net.Listener
	mu       sync.Mutex
	target   string
	hung     bool
	resumed  chan struct{} // closed when it is no longer hung
	open     map[net.Conn]bool
	accepted int
	done     sync.WaitGroup
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{T: t, listener: l, target: target, open: map[net.Conn]bool{}, resumed: make(chan struct{})}
	close(p.resumed)
	p.done.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) url() string { return "esdb://" + p.listener.Addr().String() + "?tls=false" }

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.accepted++
		p.mu.Unlock()
		p.done.Go(func() { p.serve(conn, target) })
	}
}

// serve passes bytes on in both directions until either side ends. Without a target it hangs up.
func (p *proxy) serve(conn net.Conn, target string) {
	defer p.forget(conn)
	p.remember(conn)
	if target == "" {
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer p.forget(server)
	p.remember(server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, conn) })
	both.Go(func() { p.copy(conn, server) })
	both.Wait()
}

func (p *proxy) copy(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	room := make([]byte, 32<<10)
	for {
		n, err := from.Read(room)
		p.mu.Lock()
		resumed := p.resumed
		p.mu.Unlock()
		<-resumed
		if n > 0 {
			if _, err := to.Write(room[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) remember(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = true
}

func (p *proxy) forget(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

// lead sends new connections to another server, "" to none.
func (p *proxy) lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
}

// hang lets no more bytes through, and closes nothing.
func (p *proxy) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.hung {
		p.hung, p.resumed = true, make(chan struct{})
	}
}

func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hung {
		p.hung = false
		close(p.resumed)
	}
}

// clients counts the connections that clients have open.
func (p *proxy) clients() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for c := range p.open {
		if c.LocalAddr().String() == p.listener.Addr().String() {
			n++
		}
	}
	return n
}

func (p *proxy) close() {
	p.listener.Close()
	p.resume()
	p.cut()
	p.done.Wait()
}
