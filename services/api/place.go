package api

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// placeIn finds the place in a complaint of the JSON library, whose texts are for people. Columns count characters.
var placeIn = regexp.MustCompile(`\(line (\d+):(\d+)\)`)

// fieldOf is the field of a body that a complaint is about, as a path such as movements[3].sku; empty when it is about
// the body as a whole.
func fieldOf(raw []byte, complaint string) string {
	found := placeIn.FindStringSubmatch(complaint)
	if found == nil {
		return ""
	}
	line, _ := strconv.Atoi(found[1])
	column, _ := strconv.Atoi(found[2])
	return fieldAt(raw, offsetOf(raw, line, column))
}

// offsetOf is the byte at a line and column, both from 1.
func offsetOf(raw []byte, line, column int) int64 {
	at := 0
	for range line - 1 {
		at += bytes.IndexByte(raw[at:], '\n') + 1
	}
	for i := range string(raw[at:]) {
		if column--; column == 0 {
			return int64(at + i)
		}
	}
	return int64(len(raw))
}

// level is an object or a list around a place: of an object the field that the place is in, of a list the element.
type level struct {
	list  bool
	name  string // empty between two fields
	index int
}

// fieldAt walks through JSON up to an offset.
func fieldAt(raw []byte, offset int64) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	var in []level
	for {
		token, err := d.Token()
		if err != nil {
			return fieldPath(in)
		}
		var key bool
		if len(in) > 0 {
			key = in[len(in)-1].enter(token)
		}
		if d.InputOffset() > offset {
			return fieldPath(in)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			in = append(in, level{list: token == json.Delim('['), index: -1})
			continue
		case json.Delim('}'), json.Delim(']'):
			in = in[:len(in)-1]
		}
		if len(in) > 0 && !key {
			in[len(in)-1].name = ""
		}
	}
}

// enter notes where a token lies, and tells whether it is the name of a field.
func (l *level) enter(token json.Token) (key bool) {
	switch name, ok := token.(string); {
	case token == json.Delim('}') || token == json.Delim(']'):
	case l.list:
		l.index++
	case ok && l.name == "":
		l.name = name
		return true
	}
	return false
}

func fieldPath(in []level) string {
	var b strings.Builder
	for _, l := range in {
		switch {
		case l.list && l.index >= 0:
			b.WriteString("[" + strconv.Itoa(l.index) + "]")
		case l.name != "":
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(l.name)
		}
	}
	return b.String()
}
