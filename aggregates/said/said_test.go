package said

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/stockfold/stockfold/aggregates"
)

func from(id, sequence string, at aggregates.Instant) *aggregates.Metadata {
	return &aggregates.Metadata{RecordedAt: at, Fingerprint: aggregates.Fingerprint(id), Source: aggregates.Source{System: "erp", MessageID: id, Sequence: sequence}}
}

func TestAMessageCountsOnce(t *testing.T) {
	var m Memory
	judge := func(want Verdict, about string, o *aggregates.Metadata) {
		t.Helper()
		if got, err := m.Judge(about, o); got != want || err != nil {
			t.Errorf("%s about %s: %d, %v, expected %d", o.Source.MessageID, about, got, err, want)
		}
	}
	judge(News, "milk", from("a", "7", 1))
	m.Evolve(&Taken{About: "milk"}, from("a", "7", 1))
	judge(Repetition, "milk", from("a", "7", 2))
	judge(Superseded, "milk", from("b", "6", 2))
	judge(News, "milk", from("b", "8", 2))
	judge(News, "milk", from("b", "", 2))
	judge(News, "milk", from("b", "six", 2))
	judge(News, "tea", from("b", "6", 2))
	other := from("b", "6", 2)
	other.Source.System = "wms"
	judge(News, "milk", other)
	reused := from("a", "9", 2)
	reused.Fingerprint++
	var twice *ReusedError
	if _, err := m.Judge("milk", reused); !errors.As(err, &twice) || twice.ID != "a" {
		t.Error(err)
	}
	m.Evolve(&Taken{About: "milk", Superseded: true}, from("b", "6", 2))
	judge(Superseded, "milk", from("c", "6", 3)) // the highest number counts
}

// Whatever the order, what counts last is the highest number, and each message counts at most once.
func TestTheHighestNumberIsInForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Memory
		value, highest := -1, -1
		counted := map[int]int{}
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(t, "numbers") {
			o := from(fmt.Sprint(n), fmt.Sprint(n), 1)
			verdict, err := m.Judge("milk", o)
			if err != nil {
				t.Fatal(err)
			}
			if verdict == News {
				value = n
				counted[n]++
			}
			if verdict != Repetition {
				m.Evolve(&Taken{About: "milk", Superseded: verdict == Superseded}, o)
			}
			if highest = max(highest, n); value != highest || counted[n] > 1 {
				t.Fatalf("after %d: %d is in force, expected %d", n, value, highest)
			}
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var m Memory
	for i := range MaxMessages + 5 {
		m.Evolve(&Taken{About: fmt.Sprint(i)}, from(fmt.Sprint(i), "1", 1))
	}
	if messages, numbers := m.Counts(); messages != MaxMessages || numbers != MaxMessages+5 {
		t.Errorf("%d messages, %d numbers", messages, numbers)
	}
	m.Evolve(&Taken{About: "late"}, from("late", "", 2+Keep))
	if messages, _ := m.Counts(); messages != 1 {
		t.Errorf("%d messages after a day", messages)
	}
	for i := range MaxNumbers {
		m.Evolve(&Taken{About: fmt.Sprint("more", i)}, from("x", "1", 3+Keep))
	}
	if _, numbers := m.Counts(); numbers != MaxNumbers {
		t.Errorf("%d numbers", numbers)
	}
	if got, _ := m.Judge("0", from("y", "0", 4+Keep)); got != News {
		t.Error("a number that was forgotten supersedes")
	}
}

type other struct{}

func (other) EventType() string { return "Other" }

func TestOtherEventsSayNothing(t *testing.T) {
	var m Memory
	m.Evolve(other{}, from("a", "1", 1))
	if messages, numbers := m.Counts(); messages+numbers != 0 || m.Size() != 0 {
		t.Error("something is remembered")
	}
}
