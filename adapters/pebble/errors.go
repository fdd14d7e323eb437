package pebble

import (
	"errors"
	"fmt"
)

// ErrInUse says that another process has the directory open.
var ErrInUse = errors.New("already in use by another process")

var errSubscriptionClosed = errors.New("subscription is closed")

func missing(position uint64) error {
	return fmt.Errorf("event at position %d is missing: the store is damaged, restore it from a backup", position)
}

func misplaced(position uint64, stream string, f frame) error {
	return fmt.Errorf("event at position %d is event %d of stream %q, the index of stream %q points to it: the store is damaged, restore it from a backup",
		position, f.revision, f.stream, stream)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
