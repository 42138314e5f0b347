/* paths.h -- which paths have orders under way, and in which lane: what keeps the orders of one path in line. */
#ifndef CHRONIK_RUNTIME_PATHS_H
#define CHRONIK_RUNTIME_PATHS_H

#include "base/effect.h"

struct paths;

struct path {
    uint32_t lane; /* where all its orders go while there are any */
    uint32_t orders;
    uint32_t hash;
    struct path *next;
    char name[PATH_SIZE_MAX];
};

struct paths *paths_new(void); /* NULL: no memory */
void paths_free(struct paths *paths);

/* NULL if nothing is under way. */
const struct path *paths_find(const struct paths *paths, const char *name);

/* One more order. `lane` counts only if it is the first. */
struct path *paths_add(struct paths *paths, const char *name, uint32_t lane);

/* One of its orders is done. */
void paths_remove(struct paths *paths, struct path *path);

#endif
