package audit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/stockfold/stockfold/aggregates"
	projection "github.com/stockfold/stockfold/projections/audit"
)

// Head is a signed head: what the tree over the first events of a store comes to.
type Head struct {
	Origin string // of the store
	projection.Head
	SignedAt aggregates.Instant
	Note     string // the signed text
}

// text is what is signed: origin, size and root as in a checkpoint of C2SP (tlog-checkpoint), then the position of the last
// event and the time of signing.
func (h *Head) text() string {
	return fmt.Sprintf("%s\n%d\n%s\nposition %d\nsigned %s\n", h.Origin, h.Size, h.Root, h.Position, h.SignedAt.Time().Format(time.RFC3339Nano))
}

// Sign makes a signed head.
func (k *Key) Sign(storeID string, h projection.Head, at aggregates.Instant) (Head, error) {
	out := Head{Origin: Origin(storeID), Head: h, SignedAt: at}
	signed, err := note.Sign(&note.Note{Text: out.text()}, k.signer)
	out.Note = string(signed)
	return out, err
}

// maxHeadBytes bounds the text of a head.
const maxHeadBytes = 16 << 10

// OpenHead reads a signed head and checks its signature by a verifier key. With an empty key the signature is not checked.
func OpenHead(text, verifierKey string) (Head, error) {
	if len(text) > maxHeadBytes {
		return Head{}, fmt.Errorf("tree head: %d bytes are too many", len(text))
	}
	known := note.VerifierList()
	if verifierKey != "" {
		v, err := note.NewVerifier(strings.TrimSpace(verifierKey))
		if err != nil {
			return Head{}, fmt.Errorf("verifier key %q: %w", verifierKey, err)
		}
		known = note.VerifierList(v)
	}
	n, err := note.Open([]byte(text), known)
	if unverified, ok := err.(*note.UnverifiedNoteError); ok && verifierKey == "" {
		n, err = unverified.Note, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("tree head: %w", err)
	}
	h, err := parseHead(n.Text)
	h.Note = text
	return h, err
}

// CheckVerifierKey tells whether a text is a verifier key, or empty.
func CheckVerifierKey(text string) error {
	if text == "" {
		return nil
	}
	if _, err := note.NewVerifier(strings.TrimSpace(text)); err != nil {
		return fmt.Errorf("verifier key %q: %w", text, err)
	}
	return nil
}

func parseHead(text string) (h Head, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 6 {
		return h, fmt.Errorf("tree head has %d lines, expected 5", len(lines)-1)
	}
	h.Origin = lines[0]
	if h.Size, err = strconv.ParseInt(lines[1], 10, 64); err == nil {
		h.Root, err = tlog.ParseHash(lines[2])
	}
	if err == nil {
		h.Position, err = strconv.ParseUint(strings.TrimPrefix(lines[3], "position "), 10, 64)
	}
	at, bad := time.Parse(time.RFC3339Nano, strings.TrimPrefix(lines[4], "signed "))
	if h.SignedAt = aggregates.At(at); err == nil {
		err = bad
	}
	if err != nil || h.text() != text {
		return h, fmt.Errorf("tree head is not of this form: %v", err)
	}
	return h, nil
}
