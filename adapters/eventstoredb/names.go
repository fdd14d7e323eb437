package eventstoredb

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Names of streams beside those of events.
const (
	ownPrefix        = "stockfold-"
	storeStream      = ownPrefix + "store"
	snapshotPrefix   = ownPrefix + "snapshot-"
	partPrefix       = ownPrefix + "part-"
	checkpointPrefix = ownPrefix + "checkpoint-"
	progressPrefix   = ownPrefix + "progress-"
	letterPrefix     = ownPrefix + "letter-"
	lettersStream    = ownPrefix + "letters"
)

const hexDigits = "0123456789ABCDEF"

// escape writes a name of any bytes as text that EventStoreDB keeps as it is. Names that begin alike are written alike as
// far as they do, up to a character that is cut in two.
func escape(name string) string {
	clean := true
	for i, r := range name {
		clean = clean && !escaped(r, i)
	}
	if clean && utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && size == 1 || escaped(r, i) {
			b.WriteByte('%')
			b.WriteByte(hexDigits[name[i]>>4])
			b.WriteByte(hexDigits[name[i]&15])
			i++
			continue
		}
		b.WriteString(name[i : i+size])
		i += size
	}
	return b.String()
}

func escaped(r rune, at int) bool {
	return r < ' ' || r == 0x7f || r == '%' || r == '$' && at == 0
}

// unescape is the inverse; a name that escape never writes stays as it is.
func unescape(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b.WriteByte(text[i])
			continue
		}
		if i+2 >= len(text) {
			return text
		}
		x, err := hex.DecodeString(text[i+1 : i+3])
		if err != nil {
			return text
		}
		b.Write(x)
		i += 2
	}
	if name := b.String(); escape(name) == text {
		return name
	}
	return text
}

// escapePrefix writes a prefix so that every name with the prefix begins like it: a character that is cut in two at the
// end is left out.
func escapePrefix(prefix string) string {
	for cut := 1; cut <= min(utf8.UTFMax-1, len(prefix)); cut++ {
		if tail := prefix[len(prefix)-cut:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				prefix = prefix[:len(prefix)-cut]
			}
			break
		}
	}
	return escape(prefix)
}

func checkName(what, name string) error {
	if name == "" {
		return fmt.Errorf("%s is empty", what)
	}
	if len(name) > MaxNameBytes {
		return fmt.Errorf("%s %.40q… has %d bytes, at most %d are possible", what, name, len(name), MaxNameBytes)
	}
	return nil
}
