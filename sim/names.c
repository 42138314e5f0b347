#include "sim/names.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static uint32_t bucket_of(const char *text, size_t size)
{
    return hash_bytes(1, (struct bytes){ (const uint8_t *)text, (uint32_t)size }) & 1023;
}

static uint32_t find(const struct paths *paths, const char *text, size_t size)
{
    uint32_t at = paths->buckets[bucket_of(text, size)];

    while (at != PATH_NONE) {
        const struct path *path = &paths->list[at];
        if (strncmp(path->text, text, size) == 0 && path->text[size] == 0) break;
        at = path->next_of_hash;
    }
    return at;
}

static uint32_t add(struct paths *paths, const char *text, size_t size)
{
    const uint32_t known = find(paths, text, size);

    if (known != PATH_NONE) return known;
    size_t slash = size;
    while (slash > 0 && text[slash - 1] != '/') slash--;
    const uint32_t parent = size == 0 ? PATH_NONE : add(paths, text, slash == 0 ? 0 : slash - 1);
    if (paths->count == paths->max) {
        paths->max = paths->max == 0 ? 64 : paths->max * 2;
        paths->list = realloc(paths->list, paths->max * sizeof *paths->list);
    }
    const uint32_t number = paths->count++;
    const uint32_t bucket = bucket_of(text, size);
    struct path *path = &paths->list[number];
    *path = (struct path){ .text = malloc(size + 1),
                           .parent = parent,
                           .first_child = PATH_NONE,
                           .next_sibling = parent == PATH_NONE ? PATH_NONE : paths->list[parent].first_child,
                           .next_of_hash = paths->buckets[bucket],
                           .first_order = PATH_NONE,
                           .last_order = PATH_NONE };
    memcpy(path->text, text, size);
    path->text[size] = 0;
    paths->buckets[bucket] = number;
    if (parent != PATH_NONE) paths->list[parent].first_child = number;
    return number;
}

void paths_init(struct paths *paths)
{
    *paths = (struct paths){ 0 };
    for (uint32_t i = 0; i < COUNT_OF(paths->buckets); i++) paths->buckets[i] = PATH_NONE;
    add(paths, "", 0);
}

void paths_free(struct paths *paths)
{
    for (uint32_t i = paths->borrowed; i < paths->count; i++) free(paths->list[i].text);
    free(paths->list);
}

void paths_copy(const struct paths *from, struct paths *to)
{
    *to = *from;
    to->max = to->borrowed = from->count;
    to->list = malloc(from->count * sizeof *to->list);
    memcpy(to->list, from->list, from->count * sizeof *to->list);
    for (uint32_t i = 0; i < to->count; i++) to->list[i].first_order = to->list[i].last_order = PATH_NONE;
}

/* "." and "" are the data directory. */
static const char *plain(const char *text)
{
    return strcmp(text, ".") == 0 ? "" : text;
}

uint32_t path_of(struct paths *paths, const char *text)
{
    return add(paths, plain(text), strlen(plain(text)));
}

uint32_t path_known(const struct paths *paths, const char *text)
{
    return find(paths, plain(text), strlen(plain(text)));
}

void names_set(struct names *names, uint32_t path, uint32_t inode)
{
    if (path >= names->max) {
        uint32_t max = names->max == 0 ? 64 : names->max;
        while (max <= path) max *= 2;
        names->inodes = realloc(names->inodes, max * sizeof *names->inodes);
        memset(names->inodes + names->max, 0, (max - names->max) * sizeof *names->inodes);
        names->max = max;
    }
    names->inodes[path] = inode;
}

uint32_t names_get(const struct names *names, uint32_t path)
{
    if (path == 0) return INODE_DIRECTORY; /* the data directory is always there */
    return path < names->max ? names->inodes[path] : INODE_NONE;
}

void names_copy(const struct names *from, struct names *to)
{
    to->max = from->max;
    to->inodes = malloc((from->max + 1) * sizeof *to->inodes);
    if (from->max > 0) memcpy(to->inodes, from->inodes, from->max * sizeof *to->inodes);
}

bool names_has_children(const struct names *names, const struct paths *paths, uint32_t path)
{
    uint32_t child = paths->list[path].first_child;
    while (child != PATH_NONE && names_get(names, child) == INODE_NONE) child = paths->list[child].next_sibling;
    return child != PATH_NONE;
}

static const struct paths *sorting;

static int by_text(const void *a, const void *b)
{
    return strcmp(sorting->list[*(const uint32_t *)a].text, sorting->list[*(const uint32_t *)b].text);
}

uint32_t *names_sorted(const struct names *names, const struct paths *paths, uint32_t directory, uint32_t *count)
{
    uint32_t *list = malloc((paths->count + 1) * sizeof *list);

    *count = 0;
    if (directory == PATH_NONE) {
        for (uint32_t i = 1; i < paths->count; i++) {
            if (names_get(names, i) != INODE_NONE) list[(*count)++] = i;
        }
    } else {
        for (uint32_t i = paths->list[directory].first_child; i != PATH_NONE; i = paths->list[i].next_sibling) {
            if (names_get(names, i) != INODE_NONE) list[(*count)++] = i;
        }
    }
    sorting = paths;
    qsort(list, *count, sizeof *list, by_text);
    return list;
}
