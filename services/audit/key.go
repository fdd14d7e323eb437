package audit

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Key signs heads. Its text never says what is secret.
type Key struct {
	signer   note.Signer
	verifier string
}

// maxKeyBytes bounds a key file.
const maxKeyBytes = 4 << 10

// Origin names a store in heads and keys.
func Origin(storeID string) string { return "stockfold/" + storeID }

// String is the verifier key.
func (k *Key) String() string { return k.verifier }

// ReadKey reads a key from a file, and makes both when create is set and there is no such file: readable by its owner only. A key is
// a line "PRIVATE+KEY+…" and one with its verifier key, both in the form of golang.org/x/mod/sumdb/note.
func ReadKey(file, storeID string, create bool) (*Key, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && create {
		text, err = newKey(file, storeID)
	}
	if err != nil {
		return nil, fmt.Errorf("key that signs tree heads: %w", err)
	}
	k, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%w (file %s)", err, file)
	}
	return k, nil
}

// newKey writes a new key. Of several processes that do so at once one does; the others read what that wrote. The file is there once it is whole, wherever a process
// dies: it gets its name last, unless somebody was faster.
func newKey(file, storeID string) ([]byte, error) {
	secret, verifier, err := note.GenerateKey(rand.Reader, Origin(storeID))
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // readable by its owner only
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(secret + "\n" + verifier + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Stat(file); !errors.Is(there, fs.ErrNotExist) {
			return os.ReadFile(file)
		}
		if err := os.Rename(f.Name(), file); err != nil { // where a file cannot have two names
			return nil, err
		}
	}
	return os.ReadFile(file)
}

// ParseKey reads a key's text. Its errors say nothing of what is in it.
func ParseKey(text string) (*Key, error) {
	if len(text) > maxKeyBytes {
		return nil, fmt.Errorf("key that signs tree heads: %d bytes are no key", len(text))
	}
	secret, verifier, _ := strings.Cut(strings.TrimSpace(text), "\n")
	signer, err := note.NewSigner(strings.TrimSpace(secret))
	if err != nil {
		return nil, errors.New("key that signs tree heads: the first line is not a signing key as stockfold writes it")
	}
	v, err := note.NewVerifier(strings.TrimSpace(verifier))
	if err != nil || v.Name() != signer.Name() || v.KeyHash() != signer.KeyHash() {
		return nil, errors.New("key that signs tree heads: the second line is not the verifier key of the first")
	}
	return &Key{signer: signer, verifier: strings.TrimSpace(verifier)}, nil
}
