//go:build cgo && linux

package main

/*
#include <malloc.h>
#include <stdlib.h>

// Pebble keeps blocks and tables in memory of the C library's. By default glibc has a place for each thread, where what one of them frees is of no use to
// others, and comes to keep the largest tables there, too: with a million SKUs it took twice what was in use. So there is one place for small
// things, and large ones go back when they are freed. That is said before there is any other thread.
__attribute__((constructor)) static void tighten(void) {
#ifdef __GLIBC__
	if (getenv("MALLOC_ARENA_MAX") != NULL || getenv("GLIBC_TUNABLES") != NULL)
		return; // somebody knows better
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 256 << 10);
#endif
}
*/
import "C"
