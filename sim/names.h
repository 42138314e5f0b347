/* names.h -- which path leads to which file, twice: now and after a power loss.
 *
 * A path is a number once it was seen (struct paths); a directory's view is an array by that number (struct names).
 * Numbers depend on history, so nothing is ever decided by their order: lists are sorted by text. */
#ifndef CHRONIK_SIM_NAMES_H
#define CHRONIK_SIM_NAMES_H

#include "base/effect.h"

enum { PATH_NONE = UINT32_MAX, INODE_NONE = 0, INODE_DIRECTORY = UINT32_MAX };

struct path {
    char *text; /* without a slash at either end; "" is the data directory */
    uint32_t parent, first_child, next_sibling;
    uint32_t next_of_hash;
    uint32_t first_order, last_order; /* what the disk is to do with it, in order; see disk.h */
};

struct paths {
    struct path *list;
    uint32_t count, max;
    uint32_t borrowed; /* texts below are of the paths that these were copied from, and live longer */
    uint32_t buckets[1024];
};

void paths_init(struct paths *paths);
void paths_free(struct paths *paths);
void paths_copy(const struct paths *from, struct paths *to);

/* The number of a path, with its parents. */
uint32_t path_of(struct paths *paths, const char *text);

/* PATH_NONE: never seen, so there is nothing there. */
uint32_t path_known(const struct paths *paths, const char *text);

struct names {
    uint32_t *inodes; /* by path; INODE_NONE: no such name */
    uint32_t max;
};

void names_set(struct names *names, uint32_t path, uint32_t inode);
uint32_t names_get(const struct names *names, uint32_t path);
void names_copy(const struct names *from, struct names *to);
bool names_has_children(const struct names *names, const struct paths *paths, uint32_t path);

/* The names in a directory (PATH_NONE: all there are), sorted by text; malloced. */
uint32_t *names_sorted(const struct names *names, const struct paths *paths, uint32_t directory, uint32_t *count);

#endif
