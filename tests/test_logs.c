/* The whole of log/ over a disk that loses what was not synced: nothing acknowledged is ever lost, nothing is invented,
 * and a crash during recovery changes nothing. */
#include "log_world.h"

static struct world world;

/* A bit of an index turns over: on a disk that is not ours to trust. Nobody may be told anything wrong for it. */
static void flip_index_bit(void)
{
    const uint32_t at = (uint32_t)world_below(&world, world.disk.name_count);
    const struct disk_name *name = &world.disk.names[at];
    struct disk_inode *node = &world.disk.inodes[name->inode];

    if (strstr(name->path, "index") == NULL || node->now_size == 0) return;
    node->now[world_below(&world, node->now_size)] ^= (uint8_t)(1U << world_below(&world, 8));
    world.flips++;
}

/* The disk has no room, and has it again. */
static void fill_disk(void)
{
    world.disk.full = !world.disk.full;
    world.fills++;
}

static void live(uint64_t steps)
{
    for (uint64_t i = 0; i < steps && !world.halted; i++) {
        const uint64_t what = world_below(&world, 100);
        world_pass(&world, world_below(&world, 3 * NS_PER_MS));
        if (what < 35) world_append(&world);
        else if (what < 55) world_read(&world);
        else if (what == 55 && world_chance(&world, 1, 4)) world_trim(&world);
        else if (what == 56 && world_chance(&world, 1, 20)) logs_retain(world.logs, world.wall_ms);
        else if (what == 57 && world_chance(&world, 1, 30)) world_pass(&world, 2 * NS_PER_SECOND);
        else if (what == 59 && world.faults && world_chance(&world, 1, 20)) flip_index_bit();
        else if (what == 60 && world.faults && world_chance(&world, 1, world.disk.full ? 5 : 60)) fill_disk();
        else if (what == 58 && world_chance(&world, 1, 60)) {
            const uint32_t log = (uint32_t)world_below(&world, WORLD_LOGS);
            if (world.kept[log].open) world_delete_log(&world, log);
            else world_create_log(&world, log);
        } else {
            world_answer(&world);
        }
        world_settle(&world);
        world_commit(&world);
        world_settle(&world);
        if (i % 512 == 0) logs_check(world.logs);
    }
}

static void chaos(uint64_t seed, uint32_t lives)
{
    static char why[64];

    snprintf(why, sizeof why, "seed %llu", (unsigned long long)seed);
    world_why = why;
    world_init(&world, seed);
    world.rules.retention_size = world_chance(&world, 1, 2) ? 150000 : -1;
    world.rules.retention_ms = world_chance(&world, 1, 2) ? 20000 : -1;
    world_boot(&world);
    WORLD_CHECK(world_recover(&world, UINT64_MAX));
    for (uint32_t log = 0; log < WORLD_LOGS; log++) world_create_log(&world, log);
    for (uint32_t l = 0; l < lives; l++) {
        /* Recovery is interrupted at any step of it, again and again. */
        while (!world_recover(&world, world_chance(&world, 1, 2) ? world_below(&world, 200) : UINT64_MAX)) {
            WORLD_CHECK(!world.halted);
            disk_crash(&world.disk, world_chance(&world, 1, 2));
            world_boot(&world);
        }
        world_judge(&world);
        world.faults = world_chance(&world, 1, 3);
        live(world_below(&world, 4000));
        WORLD_CHECK(!world.halted);
        world.disk.full = false;
        if (world_chance(&world, 1, 6)) {
            world_rest(&world);
        } else if (world_chance(&world, 1, 4)) {
            logs_stop(world.logs, &world.effects);
            for (uint32_t i = 0; logs_state(world.logs) != LOGS_STOPPED; i++) {
                WORLD_CHECK(i < 20000);
                world_settle(&world);
                if (world_answer(&world)) continue;
                world_pass(&world, 10 * NS_PER_MS);
                world_commit(&world);
            }
            world_settle(&world);
        }
        disk_crash(&world.disk, world_chance(&world, 2, 3));
        world_boot(&world);
    }
}

TEST(logs_survive_anything)
{
    uint64_t appends = 0, duplicates = 0, reads = 0, file_reads = 0, recoveries = 0, times = 0;
    const char *from = getenv("LOG_SEED"), *count = getenv("LOG_SEEDS");
    const uint64_t first = from == NULL ? 1 : strtoull(from, NULL, 10);
    const uint64_t seeds = count == NULL ? 12 : strtoull(count, NULL, 10);

    for (uint64_t seed = first; seed < first + seeds; seed++) {
        chaos(seed, 12);
        appends += world.appends;
        duplicates += world.duplicates;
        reads += world.reads_done;
        file_reads += world.file_reads;
        recoveries += world.recoveries;
        times += world.times_found;
        world_free(&world);
    }
    EXPECT("batches were appended", appends > 1000 * seeds);
    EXPECT("some were repeated", duplicates > 100 * seeds);
    EXPECT("reads were answered", reads > 500 * seeds);
    EXPECT("some from files", file_reads > 100 * seeds);
    EXPECT("some by time", times > 10 * seeds);
    EXPECT("nodes started again", recoveries > seeds);
}
