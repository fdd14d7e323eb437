package eventstoredb

import (
	"net/url"
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

// String is the connection string without its password.
func (u URL) String() string {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return "(unreadable)" // what is wrong with it may be its password
	}
	return parsed.Redacted()
}

// MarshalText is String: a URL does not leave the process otherwise.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
