package files

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/stockfold/stockfold/proto/gen/stockfold/inventory/v1"
)

// saysQuantity finds a quantity that is given, for 0 is one. A quote in a string has a backslash before it, so only a name is followed by a colon.
var saysQuantity = regexp.MustCompile(`"quantity"\s*:\s*[^\sn]`)

// place is where in a line something is wrong, as the library says it; its spaces vary.
var place = regexp.MustCompile(`^proto:\s*(syntax error )?\(line 1:(\d+)\):\s*`)

// readLines reads a file with an object a line.
func readLines(f io.Reader, yield func(Row) error) error {
	for l := linesOf(f); ; {
		text, long, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after line %d: %w", l.line, err)
		}
		text = strings.TrimSpace(text)
		if text == "" && !long {
			continue
		}
		row := tooLong(l.line)
		if !long {
			row = object(l.line, text)
		}
		if err := yield(row); err != nil {
			return err
		}
	}
}

// object makes a row of a line.
func object(line int64, text string) Row {
	m := &pb.SourceRow{}
	if err := protojson.Unmarshal([]byte(text), m); err != nil {
		reason := strings.ReplaceAll(err.Error(), "\u00a0", " ")
		return refused(line, strings.TrimPrefix(place.ReplaceAllString(reason, "at byte $2: $1"), "proto: "))
	}
	if m.Decimal == "" && !saysQuantity.MatchString(text) {
		return refused(line, noQuantity)
	}
	return row(line, m)
}
