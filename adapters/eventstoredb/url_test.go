package eventstoredb

import (
	"strings"
	"testing"
)

func TestNoPasswordIsPrinted(t *testing.T) {
	for _, u := range []URL{
		"esdb://user:s3cret@127.0.0.1:2113?tls=false", "esdb://user:s3cret@bad host", "esdb://user:s3cret@127.0.0.1:1x",
		"http://user:s3cret@h", "esdb://user:s3cret@h?maxDiscoverAttempts=x", "esdb://user:s3cret%zz@h",
	} {
		text, _ := u.MarshalText()
		said := u.String() + string(text)
		if err := u.Check(); err != nil {
			said += err.Error()
		} else if u != "esdb://user:s3cret@127.0.0.1:2113?tls=false" {
			t.Errorf("%q is accepted", u)
		}
		if strings.Contains(said, "s3cret") {
			t.Errorf("%q is printed as %s", u, said)
		}
	}
	if got := URL("esdb://user:s3cret@h:2113?tls=true").String(); got != "esdb://user:xxxxx@h:2113?tls=true" {
		t.Errorf("got %s", got)
	}
}
