package tokens

import (
	"encoding/base64"
	"hash/crc32"

	"github.com/stockfold/stockfold/services/validation"
)

// Sizes of pages.
const (
	DefaultPageSize = 100
	MaxPageSize     = 1_000
	// MaxPageBytes is about how many bytes a page has at most, whatever its size in elements: receivers take 4 MiB
	// by default.
	MaxPageBytes = 2 << 20
)

// pageVersion is the first byte of a page token; a byte that no position's token starts with.
const pageVersion = 0x81

// List names a list and how it was asked for. A page token of one list does not fit another.
type List uint32

// NewList returns the list of a name under the parameters that decide what is in it, the page's size left out.
func NewList(name string, parameters ...string) List {
	sum := crc32.ChecksumIEEE([]byte(name))
	for _, p := range parameters {
		sum = crc32.Update(sum, crc32.IEEETable, []byte{0})
		sum = crc32.Update(sum, crc32.IEEETable, []byte(p))
	}
	return List(sum)
}

// Encode returns the page token that goes on after a place in the list.
func (l List) Encode(after string) string {
	b := make([]byte, 0, 5+len(after))
	b = append(b, pageVersion, byte(l>>24), byte(l>>16), byte(l>>8), byte(l))
	return base64.RawURLEncoding.EncodeToString(append(b, after...))
}

// Decode returns the place that a page token goes on after, "" for the first page. It returns *validation.Error.
func (l List) Decode(token string) (after string, err error) {
	if token == "" {
		return "", nil
	}
	b, err := decode("page_token", token)
	if err != nil {
		return "", err
	}
	if b[0] != pageVersion || len(b) < 5 {
		return "", invalid("page_token", "is not a page token of this version of the service; start at the first page")
	}
	if made := List(b[1])<<24 | List(b[2])<<16 | List(b[3])<<8 | List(b[4]); made != l {
		return "", invalid("page_token", "was returned for another list; keep all parameters but page_size as they were")
	}
	return string(b[5:]), nil
}

// PageSize checks the size asked for and returns the one to use.
func PageSize(c *validation.Checker, asked int32) int {
	if asked == 0 {
		return DefaultPageSize
	}
	c.Range("page_size", int64(asked), 1, MaxPageSize)
	return int(asked)
}
