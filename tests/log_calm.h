/* log_calm.h -- a node's logs of which a test does one thing at a time. */
#ifndef CHRONIK_TESTS_LOG_CALM_H
#define CHRONIK_TESTS_LOG_CALM_H

#include "log_files.h"

static struct world world;

static inline void world_delete_log(uint32_t log)
{
    logs_delete(world.logs, log);
    world.kept[log].open = false;
    world.life[log]++;
    world.deleted++;
}

/* A world with one log and some segments in it, at rest. */
static inline void begin(const char *why)
{
    world_why = why;
    world_init(&world, 1);
    world_boot(&world);
    WORLD_CHECK(world_recover(&world, UINT64_MAX));
    world_create_log(&world, 0);
}

static inline void append_some(uint32_t count)
{
    while (world.appends < count) {
        world_append_as(&world, 0, -1);
        world_commit(&world);
        for (int i = 0; i < 3; i++) world_answer(&world);
        world_settle(&world);
        WORLD_CHECK(!world.halted);
    }
    world_rest(&world);
}

static inline void restart(void)
{
    disk_crash(&world.disk, false);
    world_boot(&world);
    world_recover(&world, UINT64_MAX);
}

static inline const char *path_of_first(enum segment_file file)
{
    static char path[PATH_SIZE_MAX];
    const struct log *log = &world.logs->logs[0];
    const struct log_place place = log_place(world.logs, log);

    path_of_segment(path, &place, world.logs->segments[log->first_segment].base_offset,
                    world.logs->segments[log->first_segment].edition, file);
    return path;
}

#endif
