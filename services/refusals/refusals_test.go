package refusals_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stockfold/stockfold/services/refusals"
)

func TestAnErrorSaysWhatItWasAbout(t *testing.T) {
	cause := errors.New("too little")
	err := refusals.About(cause, refusals.Fact{Name: "sku", Value: "mi\"lk"}, refusals.Fact{Name: "channel", Value: "web"})
	if got := err.Error(); got != `sku "mi\"lk", channel "web": too little` {
		t.Errorf("got %s", got)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if refusals.About(nil, refusals.Fact{Name: "sku", Value: "milk"}) != nil {
		t.Error("nil became an error")
	}
}

func TestUnknownThingsAreNamedWithWhatToDo(t *testing.T) {
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprint(i))
	}
	for err, says := range map[error]string{
		&refusals.UnknownSKU{SKU: "milk"}:                         `"milk"`,
		&refusals.UnknownChannel{Channel: "web"}:                  `channel "web" is not defined; define it with PutChannel`,
		&refusals.UnknownReservation{ReservationID: "r"}:          `"r"`,
		&refusals.UnknownLocations{Locations: []string{"a"}}:      `location "a" is not defined; define it`,
		&refusals.UnknownLocations{Locations: []string{"a", "b"}}: `locations "a", "b" are not defined; define them`,
		&refusals.UnknownLocations{Locations: many}:               `"19" and 10 more are not defined`,
		&refusals.UnknownLocations{Locations: []string{"a\nb"}}:   `"a\nb"`,
	} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q does not say %s", err, says)
		}
	}
}
