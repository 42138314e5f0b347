#include "paths.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKET_COUNT = 1024 }; /* a few hundred paths are busy at a time */

struct paths {
    struct path *spare;
    struct path *buckets[BUCKET_COUNT];
};

struct paths *paths_new(void)
{
    return calloc(1, sizeof(struct paths));
}

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *name != 0; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

static struct path *find(const struct paths *paths, const char *name, uint32_t hash)
{
    for (struct path *path = paths->buckets[hash % BUCKET_COUNT]; path != NULL; path = path->next) {
        if (path->hash == hash && strcmp(path->name, name) == 0) return path;
    }
    return NULL;
}

const struct path *paths_find(const struct paths *paths, const char *name)
{
    return find(paths, name, hash_of(name));
}

struct path *paths_add(struct paths *paths, const char *name, uint32_t lane)
{
    const uint32_t hash = hash_of(name);
    struct path *path = find(paths, name, hash);

    if (path == NULL) {
        path = paths->spare;
        if (path != NULL) paths->spare = path->next;
        else path = malloc(sizeof *path);
        CHECK(path != NULL); /* a few hundred bytes for an order that was promised an answer */
        path->lane = lane;
        path->orders = 0;
        path->hash = hash;
        const size_t size = strlen(name) + 1;
        CHECK(size <= sizeof path->name);
        memcpy(path->name, name, size);
        path->next = paths->buckets[hash % BUCKET_COUNT];
        paths->buckets[hash % BUCKET_COUNT] = path;
    }
    path->orders++;
    return path;
}

void paths_remove(struct paths *paths, struct path *path)
{
    CHECK(path->orders > 0);
    if (--path->orders > 0) return;
    struct path **at = &paths->buckets[path->hash % BUCKET_COUNT];
    while (*at != path) at = &(*at)->next;
    *at = path->next;
    path->next = paths->spare;
    paths->spare = path;
}

void paths_free(struct paths *paths)
{
    for (uint32_t i = 0; i < BUCKET_COUNT; i++) CHECK(paths->buckets[i] == NULL);
    while (paths->spare != NULL) {
        struct path *next = paths->spare->next;
        free(paths->spare);
        paths->spare = next;
    }
    free(paths);
}
