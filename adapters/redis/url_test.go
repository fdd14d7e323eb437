package redis

import (
	"slices"
	"strings"
	"testing"
)

func TestURLs(t *testing.T) {
	for text, want := range map[string]struct {
		addrs   []string
		master  string
		db      int
		cluster bool
		tls     bool
		prefix  string
	}{
		"redis://localhost": {[]string{"localhost:6379"}, "", 0, false, false, "stockfold"},
		"redis://user:p%40ss@10.0.0.1:7000/3?prefix=shop.eu":            {[]string{"10.0.0.1:7000"}, "", 3, false, false, "shop.eu"},
		"rediss://[::1]:7000":                                           {[]string{"[::1]:7000"}, "", 0, false, true, "stockfold"},
		"redis+sentinel://one/shop/2?addr=two&addr=three:5000":          {[]string{"one:26379", "two:26379", "three:5000"}, "shop", 2, false, false, "stockfold"},
		"rediss+cluster://one?addr=two:7001&server_name=redis.internal": {[]string{"one:6379", "two:7001"}, "", 0, true, true, "stockfold"},
	} {
		got, err := URL(text).parse()
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		o := got.options
		if !slices.Equal(o.Addrs, want.addrs) || o.MasterName != want.master || o.DB != want.db || got.cluster != want.cluster ||
			(o.TLSConfig != nil) != want.tls || got.prefix != want.prefix || !o.ContextTimeoutEnabled || o.MaxActiveConns != MaxConnections {
			t.Errorf("%s: got %+v, %+v", text, got, o)
		}
	}
}

func TestWrongURLsSayWhatIsWrong(t *testing.T) {
	for text, says := range map[string]string{
		"":                                   "must begin with",
		"localhost:6379":                     "must begin with",
		"127.0.0.1:6379":                     "must begin with",
		"redis+cluster+x://a":                "must begin with",
		"redis://":                           "must begin with",
		"redis://a/one":                      `database "one"`,
		"redis://a/1/2":                      `"2" too much`,
		"redis+cluster://a/1":                `"1" too much`,
		"redis+sentinel://a":                 "no name of a master",
		"redis://a?pool=3":                   `no parameter "pool"`,
		"redis://a?addr=b":                   "addr needs sentinel cluster",
		"redis://a?ca_file=/x":               "ca_file needs rediss",
		"redis://a?prefix=a&prefix=b":        "given twice",
		"redis://a?prefix=a*":                "prefix",
		"redis://u:p@a?password_file=/x":     "leave one out",
		"redis://a?password_file=/not/there": "password_file",
		"rediss://a?cert_file=/not/there":    "cert_file",
		"redis://a:p\x7fq@b":                 "not a URL",
	} {
		err := URL(text).Check()
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", text, err, says)
		}
	}
}

// Names may hold anything: the hash tag is never empty, and two names never share a key.
func TestKeysOfAnyNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"", "%", "}", "{", "{}", "%7D", "%25", "a}b", "a{b", "milk"} {
		key := tagged(name)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q are both %s", name, other, key)
		}
		seen[key] = name
		if tag := hashTag("stockfold:sku:" + key); tag == "" || strings.Contains(tag, "}") || "{"+tag+"}" != key {
			t.Errorf("%q: tag %q of %s", name, tag, key)
		}
	}
}

// The known checksums of the Redis Cluster specification, and a tag in each run of slots.
func TestSlots(t *testing.T) {
	if got := crc16("123456789"); got != 0x31c3 {
		t.Errorf("got %#x", got)
	}
	for part, tag := range makeTags(clusterPartitions) {
		if slot := int(crc16(tag)) % slots; slot/(slots/clusterPartitions) != part {
			t.Errorf("tag %q of part %d is in slot %d", tag, part, slot)
		}
	}
}

// A password is in no log and in no error, however wrong the rest is.
func TestAURLIsToldWithoutItsPassword(t *testing.T) {
	for text, says := range map[string]string{
		"redis://h:1/2?prefix=x":                "redis://h:1/2?prefix=x",
		"redis://user:changeit@h:1/2":           "redis://user:…@h:1/2",
		"redis://:changeit@h":                   "redis://:…@h",
		"redis://svc@shop.eu:changeit@h:1":      "redis://svc@shop.eu:…@h:1",
		"redis://user:change@it@h":              "redis://user:…@h",
		"redis://user:change/it@h":              "redis://user:…@h",
		"redis://a/b:changeit@h:1":              "redis://a/b:…@h:1",
		"redis://user:change:it@h":              "redis://user:…@h",
		"rediss+cluster://user:change?it@h":     "rediss+cluster://user:…@h",
		"redis:user:changeit@h":                 "redis:user:…@h",
		"user:changeit@h":                       "user:…@h",
		"redis://user:changeit@h?addr=x&nope=1": "redis://user:…@h?addr=x&nope=1",
	} {
		said := URL(text).String()
		if said != says {
			t.Errorf("%s is told as %s, want %s", text, said, says)
		}
		if err := URL(text).Check(); err != nil && strings.Contains(err.Error(), "change") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
