/* check.h -- how strongly something is believed.
 *
 * CHECK: proved by our own code; if it is false, we have made a mistake and the node stops. What a client,
 *        a peer or a disk says is never CHECKed.
 * MAYBE: sometimes true, and meant: it marks what surprises a reader and is legal.
 * MUTANT: a known bug, switched on only in the mutation bench's binary; elsewhere the constant 0. */
#ifndef CHRONIK_BASE_CHECK_H
#define CHRONIK_BASE_CHECK_H

#include <stdbool.h>

/* Supplied by the host: says where, and does not return. */
_Noreturn void check_failed(const char *file, int line, const char *what);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
#define MAYBE(condition) ((void)(condition))

#ifdef CHRONIK_MUTANTS
/* Supplied by the mutation bench: whether the named mutant is switched on; counts that it was reached. */
bool mutant_active(const char *name);
#define MUTANT(name) mutant_active(#name)
#else
#define MUTANT(name) false
#endif

#endif
