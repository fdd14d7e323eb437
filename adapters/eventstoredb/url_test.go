package eventstoredb

import (
	"strings"
	"testing"
)

// A password is in no log and in no error, however wrong the rest is.
func TestAURLIsToldWithoutItsPassword(t *testing.T) {
	for _, text := range []string{
		"esdb://admin:changeit@h:2113", "esdb://admin@eu:changeit@h", "esdb://admin:changeit@a:1,b:2", "esdb://admin:change%zzit@h:1",
		"esdb://admin:change it@h", "esdb://admin:change/it@h:1", "esdb://admin:change#it@h:1", "esdb://admin:change?it@h:1",
		"esdb://admin:changeit@h:1x", "esdb://admin:changeit@a:1,b:x", "esdb://admin:chan,ge/it@a:1", "esdb://admin:changeit@h/path",
		"esdb://admin:changeit@h:1?tls=maybe", "admin:changeit@h:1", "esdb:admin:changeit@h:1",
	} {
		said := URL(text).String()
		if err := URL(text).Check(); err != nil {
			said += " " + err.Error()
		}
		for _, part := range []string{"change", "chan", "ge/it", "%zz"} {
			if strings.Contains(said, part) {
				t.Errorf("%s is told as %s", text, said)
				break
			}
		}
	}
}

func TestAWrongURLSaysWhatIsWrong(t *testing.T) {
	for text, says := range map[string]string{
		"http://h":                            "scheme",
		"esdb://h:x":                          "port",
		"esdb://admin:changeit@h:1?tls=maybe": "true or false",
		"esdb://admin:change/it@h:1":          "%XX",
	} {
		if err := URL(text).Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", text, err, says)
		}
	}
}
