/* Any config is either refused in words, or gives a node that starts. */
#include "base/prng.h"
#include "node.h"
#include "t.h"

#include <sys/mman.h>

TEST(defaults_are_right)
{
    struct config config;

    config_init(&config);
    EXPECT("they do not contradict each other", config_contradiction(&config) == NULL);
    EXPECT("there is room for everything", node_size(&config) > 0);
}

static const struct row {
    const char *why;
    uint32_t links_max, segments_max, tail_unit_size;
    uint64_t tail_memory_size, request_memory_size;
    uint32_t journal_file_size;
    const char *want;
} rows[] = {
    { "no links", 0, 100, 65536, 64 << 20, 1 << 30, 1 << 20, "no limit may be 0" },
    { "fewer segments than partitions", 10, 99, 65536, 64 << 20, 1 << 30, 1 << 20,
      "segments_max must not be below partitions_max" },
    { "a unit that is no power", 10, 100, 65535, 64 << 20, 1 << 30, 1 << 20,
      "tail_unit must be a power of two, of 4KiB or more" },
    { "no multiple", 10, 100, 65536, (64 << 20) + 1, 1 << 30, 1 << 20, "tail_memory must be a multiple of tail_unit" },
    { "few units", 10, 100, 1 << 20, 15 << 20, 1 << 30, 1 << 20, "tail_memory must be 16 times tail_unit or more" },
    { "many units", 10, 100, 4096, 1 << 30, 1 << 30, 1 << 20, "tail_memory has too many units of tail_unit" },
    { "no multiple of a block", 10, 100, 65536, 64 << 20, 1 << 30, (1 << 20) + 1,
      "journal_file must be a multiple of 4KiB, and 64KiB or more" },
    { "requests larger than their memory", 10, 100, 65536, 64 << 20, 2 << 20, 1 << 20,
      "request_memory must be 4 times request_size_max or more" },
    { "right", 10, 100, 65536, 64 << 20, 1 << 30, 1 << 20, "" },
};

static struct config small(void)
{
    struct config config;

    config_init(&config);
    config.topics_max = config.partitions_max = config.producers_max = 100;
    config.request_size_max = 1 << 20;
    return config;
}

TEST(contradictions_are_named)
{
    FOR_EACH(row, row, rows) {
        struct config config = small();
        config.links_max = row->links_max;
        config.segments_max = row->segments_max;
        config.tail_unit_size = row->tail_unit_size;
        config.tail_memory_size = row->tail_memory_size;
        config.request_memory_size = row->request_memory_size;
        config.journal_file_size = row->journal_file_size;
        const char *contradiction = config_contradiction(&config);
        EXPECT_TEXT(row->why, row->want, contradiction == NULL ? "" : contradiction);
        EXPECT(row->why, (node_size(&config) == 0) == (contradiction != NULL));
    }
}

static const struct cluster_row {
    const char *why;
    bool enabled;
    uint32_t peer_links_max;
    const char *node_host, *wal_host;
    uint32_t voters_target, seed_count;
    int32_t seed_id;
    uint16_t seed_port;
    const char *want;
} cluster_rows[] = {
    { "alone", false, 0, "", "", 5, 0, 0, 0, "" },
    { "alone, with links", false, 100, "", "", 5, 0, 0, 0,
      "peer_connections_max must be 0 where cluster.enabled is false" },
    { "right", true, 100, "a", "b", 5, 2, 1, 9093, "" },
    { "a seed whose id is not known", true, 100, "a", "b", 5, 2, 0, 9093, "" },
    { "no links", true, 0, "a", "b", 5, 0, 0, 0, "peer_connections_max must be 8 or more" },
    { "too many", true, 65537, "a", "b", 5, 0, 0, 0, "peer_connections_max must be 65536 or less" },
    { "nowhere to be found", true, 100, "", "b", 5, 0, 0, 0, "advertised_node_addr must have a host and a port" },
    { "for data neither", true, 100, "a", "", 5, 0, 0, 0, "advertised_wal_addr must have a host and a port" },
    { "an even number", true, 100, "a", "b", 4, 0, 0, 0, "voters must be 1, 3, 5 or 7" },
    { "no voters", true, 100, "a", "b", 0, 0, 0, 0, "voters must be 1, 3, 5 or 7" },
    { "too many voters", true, 100, "a", "b", 9, 0, 0, 0, "voters must be 1, 3, 5 or 7" },
    { "too many seeds", true, 100, "a", "b", 5, 17, 1, 9093, "seed_nodes must be 16 or fewer" },
    { "a seed without a port", true, 100, "a", "b", 5, 2, 1, 0, "each of seed_nodes must be id@host:port" },
    { "a seed below all", true, 100, "a", "b", 5, 2, -1, 9093, "each of seed_nodes must be id@host:port" },
};

TEST(contradictions_of_a_cluster)
{
    FOR_EACH(cluster_row, row, cluster_rows) {
        struct config config = small();
        config.cluster_enabled = row->enabled;
        config.peer_links_max = row->peer_links_max;
        config.node_address.port = config.wal_address.port = 1;
        memcpy(config.node_address.host, row->node_host, strlen(row->node_host));
        memcpy(config.wal_address.host, row->wal_host, strlen(row->wal_host));
        config.voters_target = row->voters_target;
        config.seed_count = row->seed_count;
        for (uint32_t i = 0; i < SEEDS_MAX; i++) {
            config.seeds[i] = (struct seed_node){ row->seed_id, { "s", row->seed_port } };
        }
        const char *contradiction = config_contradiction(&config);
        EXPECT_TEXT(row->why, row->want, contradiction == NULL ? "" : contradiction);
        EXPECT(row->why, (node_size(&config) == 0) == (contradiction != NULL));
    }
}

/* A number that is often at an end of its range. */
static uint64_t drawn(struct prng *prng, uint64_t min, uint64_t max)
{
    const uint64_t dice = prng_next(prng) % 8;

    if (dice == 0) return min;
    if (dice == 1) return max;
    uint64_t number = prng_next(prng) >> prng_next(prng) % 64;
    if (dice < 6) number = number == 0 ? 1 : 1ull << (63 - __builtin_clzll(number));
    return number < min ? min : number > max ? max : number;
}

TEST(no_config_breaks_a_node)
{
    struct prng prng;
    uint32_t started = 0;

    prng_init(&prng, 1, 2);
    for (uint32_t i = 0; i < 3000; i++) {
        struct config config = small();
        config.links_max = (uint32_t)drawn(&prng, 1, 20000);
        config.topics_max = (uint32_t)drawn(&prng, 1, 20000);
        config.partitions_max = (uint32_t)drawn(&prng, 1, 20000);
        config.segments_max = (uint32_t)drawn(&prng, 1, 100000);
        config.producers_max = (uint32_t)drawn(&prng, 1, 20000);
        config.request_size_max = (uint32_t)drawn(&prng, 64 << 10, INT32_MAX);
        config.request_memory_size = drawn(&prng, 1 << 20, 4ull << 30);
        config.message_size_max = (uint32_t)drawn(&prng, 1024, INT32_MAX);
        config.tail_unit_size = (uint32_t)drawn(&prng, 4096, 1 << 30);
        config.tail_memory_size = drawn(&prng, 1 << 20, 4ull << 30);
        config.journal_file_size = (uint32_t)drawn(&prng, 64 << 10, 1 << 30);
        config.journal_files_max = (uint32_t)drawn(&prng, 2, 64);
        config.meta_journal_file_size = (uint32_t)drawn(&prng, 64 << 10, 1 << 30);
        config.meta_snapshot_entries = (uint32_t)drawn(&prng, 16, 1000000);
        const size_t size = node_size(&config);
        if (size == 0 || started == 200) continue;
        struct node *node =
            mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        EXPECT("it is address space", node != MAP_FAILED);
        if (node == MAP_FAILED) continue;
        struct effects effects = { .count = 0 };
        const struct event event = { .type = EVENT_STARTED, .mono_ns = 1, .wall_ms = 1 };
        node_init(node, &config);
        node_step(node, &event, &effects);
        node_check(node);
        EXPECT("it asks for the disk", effects.count > 0);
        munmap(node, size);
        started++;
    }
    EXPECT("some are right", started > 20);
}
