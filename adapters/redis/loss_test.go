package redis_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stockfold/stockfold/adapters/redis"
	"github.com/stockfold/stockfold/adapters/redis/redistest"
	"github.com/stockfold/stockfold/projections"
	"github.com/stockfold/stockfold/projections/availability"
)

// Each way to lose what was written is found out without a write, and mended.
func TestWhatRedisLosesIsBuiltAgain(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, s *redistest.Server, dump []byte){
		"emptied": func(t *testing.T, s *redistest.Server, _ []byte) { s.Do("FLUSHALL") },
		"restarted without its data": func(t *testing.T, s *redistest.Server, _ []byte) {
			s.Kill()
			s.Restore(nil)
			s.Run()
		},
		"rolled back": func(t *testing.T, s *redistest.Server, dump []byte) {
			s.Kill()
			s.Restore(dump)
			s.Run()
		},
		"progress removed": func(t *testing.T, s *redistest.Server, _ []byte) {
			s.Do("DEL", "stockfold:progress:availability:{0}")
		},
	} {
		for _, writing := range []bool{false, true} {
			kind := " while idle"
			if writing {
				kind = " while writing"
			}
			t.Run(name+kind, func(t *testing.T) {
				server := redistest.Start(t)
				s := newShop(t)
				r := s.run("redis://" + server.Addr())
				s.receive(0, 20, 10)
				s.seen(r)
				dump := server.Save()
				s.receive(0, 10, 5)
				s.receive(15, 30, 1)
				s.seen(r)
				s.whileHonest(r, func() {
					if writing {
						s.receive(0, 30, 1)
					}
					lose(t, server, dump)
					if writing {
						s.receive(0, 30, 1)
					}
					awaitStored(t, server, s)
				})
				s.seen(r)
				r.foundLoss(t)
				other := s.run("redis://" + server.Addr()) // sees what is stored
				s.seen(other)
			})
		}
	}
}

// stalled is how long the stored progress may stand still before it counts as standing for good: much less than patience, so that
// a loss that nobody finds fails each of many tests soon.
const stalled = 10 * time.Second

// awaitStored waits until Redis holds the whole history again, for as long as it gets on.
func awaitStored(t *testing.T, server *redistest.Server, s *shop) {
	t.Helper()
	end, err := s.Store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, since := "", time.Now()
	for ; ; time.Sleep(5 * time.Millisecond) {
		text := server.Do("HGET", "stockfold:progress:availability:{0}", "position")
		if text >= decimal(end) && len(text) >= len(decimal(end)) {
			return
		}
		if text != last {
			last, since = text, time.Now()
		}
		if time.Since(since) > stalled {
			t.Fatalf("position %q of %d is stored, and nobody stores more", text, end)
		}
	}
}

// A process that read what others wrote finds out when that is lost, though it has written nothing meanwhile: after it answered, and before.
func TestALossOfWhatOthersWroteIsFound(t *testing.T) {
	for _, before := range []bool{false, true} {
		server := redistest.Start(t)
		reader, writer := open(t, "redis://"+server.Addr()).Availability(), open(t, "redis://"+server.Addr()).Availability()
		write := func(position uint64) {
			t.Helper()
			if err := writer.Write(t.Context(), []*availability.Document{{SKU: "sku", Position: position}}, at(position)); err != nil {
				t.Fatal(err)
			}
		}
		write(10)
		if _, err := reader.Progress(t.Context()); err != nil {
			t.Fatal(err)
		}
		dump := server.Save()
		write(20)
		lose := func() { server.Kill(); server.Restore(dump); server.Run() }
		if before {
			if err := reader.ReadAnd(t.Context(), "sku", lose); err == nil {
				t.Fatal("what was lost is answered")
			}
		} else {
			if d, err := reader.Read(t.Context(), "sku"); err != nil || d.Position != 20 {
				t.Fatalf("%+v, %v", d, err)
			}
			lose()
		}
		for {
			d, err := reader.Read(t.Context(), "sku")
			if errors.Is(err, redis.ErrLost) {
				break
			}
			if err == nil && !before { // who was told nothing may be told what there is
				t.Fatalf("went back to %d", d.Position)
			}
			if err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// A process finds its loss though another one has mended it: what it read in between may have been old.
func TestALossThatAnotherMendedIsFoundToo(t *testing.T) {
	server := redistest.Start(t)
	db := open(t, "redis://"+server.Addr())
	model := db.Availability()
	if _, err := model.Progress(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Do("FLUSHALL")
	mender := open(t, "redis://"+server.Addr()).Availability()
	if _, err := mender.Progress(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := mender.Write(t.Context(), nil, at(100)); err != nil {
		t.Fatal(err)
	}
	if err := model.Write(t.Context(), nil, at(1000)); !errors.Is(err, redis.ErrLost) {
		t.Errorf("wrote after a loss: %v", err)
	}
	if _, err := model.Read(t.Context(), "sku"); !errors.Is(err, redis.ErrLost) {
		t.Errorf("read after a loss: %v", err)
	}
	p, err := model.Progress(t.Context())
	if err != nil || p.Position != 100 {
		t.Errorf("goes on from %+v %v", p, err)
	}
	if err := model.Write(t.Context(), nil, at(101)); err != nil {
		t.Error(err)
	}
}

func TestARedisThatIsFullIsSaidAndGoesOn(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
	s := newShop(t)
	r := s.run("redis://" + server.Addr())
	s.receive(0, 10, 10)
	s.seen(r)
	server.Do("DEBUG", "POPULATE", "100000", "filler", "100") // beyond the limit
	s.receive(0, 10, 1)
	awaitStatus(t, r, "out of memory")
	a, err := r.Get(t.Context(), "sku 3", "web")
	if err != nil || a.ATS != 10 {
		t.Errorf("before it is old, the last answer stays: %+v %v", a, err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "100mb")
	s.seen(r)
	if status := r.Status(t.Context()); status.Error != "" {
		t.Errorf("still says %q", status.Error)
	}
}

func TestARedisThatEvictsIsNotTrusted(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "6mb", "--maxmemory-policy", "noeviction")
	s := newShop(t)
	r := s.run("redis://" + server.Addr())
	s.receive(0, 10, 10)
	s.seen(r)
	server.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	server.Do("DEBUG", "POPULATE", "100000", "filler", "100")
	for range 20 {
		server.Do("SET", "one", "more")
	}
	s.receive(0, 10, 1)
	awaitStatus(t, r, "maxmemory-policy")
	server.Do("CONFIG", "SET", "maxmemory", "100mb")
	server.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	s.seen(r)
	other := s.run("redis://" + server.Addr())
	s.seen(other)
}

func awaitStatus(t *testing.T, r *replica, text string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		status, policies := r.Status(t.Context()), r.dir.Status(t.Context())
		if strings.Contains(status.Error+policies.Error, text) {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("status does not say %q: %+v %+v", text, status, policies)
		}
	}
}

func TestARedisThatIsAwayComesBack(t *testing.T) {
	server := redistest.Start(t)
	s := newShop(t)
	r := s.run("redis://" + server.Addr())
	s.receive(0, 10, 10)
	s.seen(r)
	dump := server.Save()
	for name, fault := range map[string][2]func(){
		"killed": {server.Kill, func() { server.Restore(dump); server.Run() }},
		"frozen": {server.Freeze, server.Thaw},
	} {
		s.whileHonest(r, func() {
			fault[0]()
			s.receive(0, 10, 1)
			awaitStatus(t, r, "redis")
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := r.db.Availability().Read(ctx, "sku 1")
			if err == nil || ctx.Err() != nil {
				t.Errorf("%s: a read of it ends with %v", name, err)
			}
			fault[1]()
		})
		s.seen(r)
	}
}

func TestTwoReplicasWriteTheSameModel(t *testing.T) {
	server := redistest.Start(t)
	s := newShop(t)
	one, two := s.run("redis://"+server.Addr()), s.run("redis://"+server.Addr())
	for i := range 20 {
		s.receive(0, 10, int64(i))
	}
	s.seen(one)
	s.seen(two)
	one.stop()
	s.receive(0, 10, 100)
	s.seen(two)
}

func TestAnotherEventStoreIsRefused(t *testing.T) {
	server := redistest.Start(t)
	db := open(t, "redis://"+server.Addr())
	if _, err := db.Availability().Progress(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := redis.Open(redis.URL("redis://"+server.Addr()), redis.Options{StoreID: "another", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Availability().Progress(t.Context()); !errors.Is(err, redis.ErrForeign) {
		t.Errorf("got %v", err)
	}
}

func at(position uint64) projections.Progress { return projections.Progress{Position: position} }

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
