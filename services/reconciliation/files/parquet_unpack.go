package files

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// How the bytes of a page are packed.
const (
	uncompressed = 0
	packSnappy   = 1
	packGzip     = 2
	packBrotli   = 4
	packZstd     = 6
	packLZ4      = 7 // a block without a frame
)

var errUnpacked = errors.New("a page has other bytes unpacked than it says")

// unpacker of Zstandard, which takes no more than it is given: the page says how much it needs, and need not be right.
var unpacker = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxPage), zstd.WithDecodeAllCapLimit(true))
})

// unpack unpacks the bytes of a page that has size bytes unpacked, at most MaxPage. No more than that is ever unpacked, whatever the bytes come to.
func unpack(codec int64, data []byte, size int64) (out []byte, err error) {
	switch {
	case codec == uncompressed:
		out = data
	case size == 0:
		return nil, nil
	case codec == packSnappy:
		n, err := snappy.DecodedLen(data)
		if err != nil || int64(n) != size {
			return nil, errors.Join(errUnpacked, err)
		}
		if out, err = snappy.Decode(make([]byte, size), data); err != nil {
			return nil, fmt.Errorf("unpack a page: %w", err)
		}
	case codec == packGzip:
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("unpack a page: %w", err)
		}
		return readExactly(r, size)
	case codec == packBrotli:
		return readExactly(brotli.NewReader(bytes.NewReader(data)), size)
	case codec == packZstd:
		d, err := unpacker()
		if err != nil {
			return nil, err
		}
		if out, err = d.DecodeAll(data, make([]byte, 0, size)); err != nil {
			return nil, fmt.Errorf("unpack a page: %w", err)
		}
	case codec == packLZ4:
		out = make([]byte, size)
		n, err := lz4.UncompressBlock(data, out)
		if err != nil {
			return nil, fmt.Errorf("unpack a page: %w", err)
		}
		out = out[:n]
	default:
		return nil, fmt.Errorf("compression %d is not read; none, Snappy, GZIP, Brotli, Zstandard and LZ4_RAW are", codec)
	}
	if int64(len(out)) != size {
		return nil, errUnpacked
	}
	return out, nil
}

// readExactly reads all of what must be so many bytes, and no more than one beyond.
func readExactly(r io.Reader, size int64) ([]byte, error) {
	out := make([]byte, size+1)
	n, err := io.ReadFull(r, out)
	switch {
	case int64(n) == size && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)):
		return out[:n], nil
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return nil, errUnpacked
	}
	return nil, fmt.Errorf("unpack a page: %w", err)
}
