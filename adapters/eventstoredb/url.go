package eventstoredb

import (
	"errors"
	"net/url"
	"strings"
)

// URL is a connection string, as the official clients know it. It is printed without its password.
type URL string

// Check says what is wrong with a connection string.
func (u URL) Check() error {
	var o Options
	o.setDefaults()
	_, err := configure(string(u), o)
	return err
}

// unreadable stands for a connection string in which the password cannot be told from the rest.
const unreadable = "(unreadable)"

var errUnreadable = errors.New("is not a URL; is a special character in user or password not written as %XX?")

// String is the connection string without its password.
func (u URL) String() string {
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.User == nil && strings.Contains(string(u), "@") {
		return unreadable // what is wrong with it may be its password
	}
	return parsed.Redacted()
}

// MarshalText is String: a URL does not leave the process otherwise.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
