package pebble

import (
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guardedFS keeps from Pebble the errors that it does not survive: a failed write or sync of its log or manifest
// makes it panic, in places with a lock half released, so that the process ends. Instead the store is marked as failed,
// and the goroutine that met the error stops where it is, for as long as the process lives: whatever came before is on
// disk, nothing after it is acknowledged. Errors of tables pass: Pebble writes those again.
type guardedFS struct {
	vfs.FS
	failure *failure
	armed   atomic.Bool // not while the database is opened, when errors can be returned
}

// must returns unless err ends the store.
func (g *guardedFS) must(what, name string, err error) {
	if err == nil || !g.armed.Load() || isTable(name) {
		return
	}
	g.failure.set(fmt.Errorf("%s %s: %w", what, name, err))
	select {}
}

func isTable(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".sst" || ext == ".blob"
}

func (g *guardedFS) wrap(name string, f vfs.File) vfs.File {
	if f == nil || isTable(name) {
		return f
	}
	return &guardedFile{File: f, fs: g, name: name}
}

// Create is vfs.FS's, as are the methods below.
func (g *guardedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, category)
	g.must("create", name, err)
	return g.wrap(name, f), err
}

func (g *guardedFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.ReuseForWrite(oldname, newname, category)
	g.must("create", newname, err)
	return g.wrap(newname, f), err
}

func (g *guardedFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	return g.wrap(name, f), err
}

func (g *guardedFS) Rename(oldname, newname string) error {
	err := g.FS.Rename(oldname, newname)
	g.must("rename", newname, err)
	return err
}

func (g *guardedFS) Unwrap() vfs.FS { return g.FS }

// guardedFile is a file, or a directory, whose writes and syncs must succeed.
type guardedFile struct {
	vfs.File
	fs   *guardedFS
	name string
}

func (f *guardedFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.fs.must("write", f.name, err)
	return n, err
}

func (f *guardedFile) Sync() error {
	err := f.File.Sync()
	f.fs.must("sync", f.name, err)
	return err
}

func (f *guardedFile) SyncData() error {
	err := f.File.SyncData()
	f.fs.must("sync", f.name, err)
	return err
}

func (f *guardedFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	f.fs.must("sync", f.name, err)
	return full, err
}

func (f *guardedFile) Close() error {
	err := f.File.Close()
	f.fs.must("close", f.name, err)
	return err
}
