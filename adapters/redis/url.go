package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Bounds of a client. Those of connections hold for each server.
const (
	// MaxConnections is the most connections to one server.
	MaxConnections = 32
	// IOTimeout bounds connecting, one write and one read.
	IOTimeout = 2 * time.Second
	// maxFileBytes bounds what a file that the URL names may hold.
	maxFileBytes = 1 << 20
)

// DefaultPrefix begins every key, unless the URL says otherwise.
const DefaultPrefix = "stockfold"

const (
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
)

// URL says where Redis is. Its text, in logs as well, has no password in it.
//
//	redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]               one server
//	redis+sentinel://[…@]HOST[:PORT]/MASTER[/DB]             sentinels, which know the master by this name
//	redis+cluster://[…@]HOST[:PORT]                          a cluster
//	rediss:// rediss+sentinel:// rediss+cluster://           the same over TLS, 1.2 or later
//
// Parameters:
//
//	addr=HOST:PORT             a further sentinel, or node of the cluster; may be given several times
//	prefix=NAME                begins every key, instead of "stockfold"
//	password_file=PATH         holds the password, instead of the URL
//	ca_file=PATH               the certificates to trust, instead of the system's
//	cert_file=PATH key_file=PATH   the client's own certificate
//	server_name=NAME           to be found in the server's certificate, instead of HOST
//	sentinel_user=NAME sentinel_password_file=PATH   for the sentinels, who have users of their own
type URL string

// passwordPart is all that a password can be in: from the first colon behind the slashes, if there are any, to the last @.
var passwordPart = regexp.MustCompile(`^((?:[a-z+]*:)?(?://)?[^:]*:).*@`)

// String is the URL with its password hidden.
func (u URL) String() string { return passwordPart.ReplaceAllString(string(u), "${1}…@") }

// MarshalText is String: a URL does not leave the process otherwise.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// target is what a URL names.
type target struct {
	options *goredis.UniversalOptions
	cluster bool
	prefix  string
}

// Check finds what is wrong with the URL, files that it names included, without calling anybody.
func (u URL) Check() error {
	_, err := u.parse()
	return err
}

var (
	errScheme = errors.New("must begin with redis://, redis+sentinel:// or redis+cluster://, or with rediss in place of redis for TLS")
	errNoURL  = errors.New("is not a URL; is a special character in it not written as %XX?")
	prefixes  = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`)
)

// parse reads the URL. No error has a password in it.
func (u URL) parse() (t target, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("redis URL %q: %w", u.String(), err)
		}
	}()
	p, err := url.Parse(string(u))
	if !strings.Contains(string(u), "://") {
		return t, errScheme
	}
	if err != nil {
		var inner *url.Error // its text has the whole URL
		if errors.As(err, &inner) && !strings.Contains(string(u), "@") {
			return t, inner.Err
		}
		return t, errNoURL
	}
	if p.User == nil && strings.Contains(p.Path, "@") { // part of the password may be in what follows
		return t, errNoURL
	}
	base, kind, _ := strings.Cut(p.Scheme, "+")
	if base != "redis" && base != "rediss" || kind != "" && kind != "sentinel" && kind != "cluster" || p.Hostname() == "" {
		return t, errScheme
	}
	q, err := readParameters(p, kind)
	if err != nil {
		return t, err
	}
	if t.prefix = q.Get("prefix"); t.prefix == "" {
		t.prefix = DefaultPrefix
	}
	if !prefixes.MatchString(t.prefix) {
		return t, fmt.Errorf("prefix %q must be 1 to 64 letters, digits or any of _ . : -", t.prefix)
	}
	t.cluster = kind == "cluster"
	t.options = &goredis.UniversalOptions{
		IsClusterMode: t.cluster, ContextTimeoutEnabled: true,
		DialTimeout: IOTimeout, ReadTimeout: IOTimeout, WriteTimeout: IOTimeout, PoolTimeout: IOTimeout,
		DialerRetries: 1, MaxRetries: 2, PoolSize: MaxConnections, MaxActiveConns: MaxConnections, PipelinePoolSize: -1,
		DisableIdentity: true, MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	port := defaultPort
	if kind == "sentinel" {
		port = defaultSentinelPort
	}
	t.options.Addrs = []string{withPort(p.Host, port)}
	for _, more := range q["addr"] {
		t.options.Addrs = append(t.options.Addrs, withPort(more, port))
	}
	if err := setPath(t.options, p.Path, kind); err != nil {
		return t, err
	}
	if err := setUsers(t.options, p.User, q); err != nil {
		return t, err
	}
	if base == "rediss" {
		t.options.TLSConfig, err = tlsConfig(q)
	}
	return t, err
}

// parameters that a URL may have; those of TLS and of sentinels only there.
var parameters = map[string]string{"addr": "sentinel cluster", "prefix": "", "password_file": "", "ca_file": "tls", "cert_file": "tls",
	"key_file": "tls", "server_name": "tls", "sentinel_user": "sentinel", "sentinel_password_file": "sentinel"}

func readParameters(p *url.URL, kind string) (url.Values, error) {
	q, err := url.ParseQuery(p.RawQuery)
	if err != nil {
		return nil, errors.New("its parameters cannot be read")
	}
	for name, values := range q {
		where, ok := parameters[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("there is no parameter %q", name)
		case where == "tls" && !strings.HasPrefix(p.Scheme, "rediss"):
			return nil, fmt.Errorf("parameter %s needs rediss", name)
		case where != "" && where != "tls" && (kind == "" || !strings.Contains(where, kind)):
			return nil, fmt.Errorf("parameter %s needs %s", name, where)
		case name != "addr" && len(values) > 1:
			return nil, fmt.Errorf("parameter %s is given twice", name)
		}
	}
	return q, nil
}

func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// setPath reads what follows the host: a database, or the name of a master and a database.
func setPath(o *goredis.UniversalOptions, path, kind string) error {
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if kind == "sentinel" {
		if len(parts) == 0 {
			return errors.New("has no name of a master; it follows the host, as in redis+sentinel://host:26379/mymaster")
		}
		o.MasterName, parts = parts[0], parts[1:]
	}
	switch {
	case len(parts) == 0:
		return nil
	case kind == "cluster" || len(parts) > 1:
		return fmt.Errorf("has %q too much", parts[len(parts)-1])
	}
	db, err := strconv.ParseUint(parts[0], 10, 16)
	if err != nil {
		return fmt.Errorf("database %q must be a number", parts[0])
	}
	o.DB = int(db)
	return nil
}

func setUsers(o *goredis.UniversalOptions, user *url.Userinfo, q url.Values) (err error) {
	if user != nil {
		o.Username = user.Username()
		o.Password, _ = user.Password()
	}
	if path := q.Get("password_file"); path != "" {
		if o.Password != "" {
			return errors.New("has a password and a password_file; leave one out")
		}
		if o.Password, err = readSecret(path); err != nil {
			return fmt.Errorf("password_file: %w", err)
		}
	}
	o.SentinelUsername = q.Get("sentinel_user")
	if path := q.Get("sentinel_password_file"); path != "" {
		if o.SentinelPassword, err = readSecret(path); err != nil {
			return fmt.Errorf("sentinel_password_file: %w", err)
		}
	}
	return nil
}

func readSecret(path string) (string, error) {
	b, err := readFile(path)
	return strings.TrimRight(string(b), "\r\n"), err
}

func readFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err == nil && (len(b) == 0 || len(b) > maxFileBytes) {
		err = fmt.Errorf("%s has %d bytes, must have 1 to %d", path, len(b), maxFileBytes)
	}
	return b, err
}

func tlsConfig(q url.Values) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: q.Get("server_name")}
	if path := q.Get("ca_file"); path != "" {
		pem, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate", path)
		}
	}
	if cert, key := q.Get("cert_file"), q.Get("key_file"); cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
