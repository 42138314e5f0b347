#include "wal/tail.h"

#include "base/check.h"

enum { UNITS_MIN = 8, RUN_MEMBER = UINT16_MAX };

struct tail {
    uint32_t unit_size;
    uint32_t unit_count;
    uint32_t runs_begin; /* units from here on are for runs */
    uint32_t used_units;
    uint32_t free_count; /* of single units */
    uint8_t *range;
    uint32_t *free_units; /* a stack; the lowest numbers come out first */
    uint32_t *pin_count;  /* by a chunk's first unit; 0: free */
    uint32_t *run_units;  /* by a chunk's first unit: how many; in a run's later units RUN_MEMBER */
};

static uint32_t unit_count_of(const struct tail_config *config)
{
    return (uint32_t)(config->memory_size / config->unit_size);
}

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

size_t tail_size(const struct tail_config *config)
{
    const size_t units = unit_count_of(config);
    return rounded(sizeof(struct tail)) + 3 * rounded(units * sizeof(uint32_t)) + config->memory_size;
}

uint64_t tail_entry_size_max(const struct tail_config *config)
{
    return config->memory_size / config->unit_size / 4 * config->unit_size;
}

void tail_init(struct tail *tail, const struct tail_config *config)
{
    CHECK(config->unit_size >= 512 && (config->unit_size & (config->unit_size - 1)) == 0);
    CHECK(config->memory_size % config->unit_size == 0);
    const uint32_t units = unit_count_of(config);
    CHECK(units >= UNITS_MIN && units < RUN_MEMBER);
    const size_t array_size = rounded(units * sizeof(uint32_t));

    uint8_t *memory = (uint8_t *)tail + rounded(sizeof *tail);
    *tail = (struct tail){
        .unit_size = config->unit_size,
        .unit_count = units,
        .runs_begin = units - units / 4,
        .free_units = (uint32_t *)(void *)memory,
        .pin_count = (uint32_t *)(void *)(memory + array_size),
        .run_units = (uint32_t *)(void *)(memory + 2 * array_size),
        .range = memory + 3 * array_size,
    };
    memset(tail->pin_count, 0, units * sizeof(uint32_t));
    memset(tail->run_units, 0, units * sizeof(uint32_t));
    for (uint32_t unit = tail->runs_begin; unit > 0; unit--) tail->free_units[tail->free_count++] = unit - 1;
}

/* The first free run of that many units. The range for runs is a quarter of all: a bounded walk, and a rare one. */
static uint32_t take_run(struct tail *tail, uint32_t wanted)
{
    uint32_t begin = tail->runs_begin;

    for (uint32_t unit = tail->runs_begin; unit < tail->unit_count; unit++) {
        if (tail->pin_count[unit] != 0 || tail->run_units[unit] == RUN_MEMBER) begin = unit + 1;
        else if (unit + 1 - begin == wanted) break;
    }
    if (begin + wanted > tail->unit_count) return CHUNK_NONE;
    for (uint32_t unit = begin + 1; unit < begin + wanted; unit++) tail->run_units[unit] = RUN_MEMBER;
    return begin;
}

uint32_t tail_take(struct tail *tail, uint32_t size)
{
    const uint32_t wanted = size <= tail->unit_size ? 1 : (size - 1) / tail->unit_size + 1;
    uint32_t chunk = CHUNK_NONE;

    if (wanted > 1) chunk = take_run(tail, wanted);
    else if (tail->free_count > 0) chunk = tail->free_units[--tail->free_count];
    if (chunk == CHUNK_NONE) return CHUNK_NONE;
    CHECK(tail->pin_count[chunk] == 0);
    tail->pin_count[chunk] = 1;
    tail->run_units[chunk] = wanted;
    tail->used_units += wanted;
    return chunk;
}

uint8_t *tail_data(const struct tail *tail, uint32_t chunk)
{
    CHECK(chunk < tail->unit_count && tail->pin_count[chunk] > 0);
    return tail->range + (uint64_t)chunk * tail->unit_size;
}

uint32_t tail_chunk_size(const struct tail *tail, uint32_t chunk)
{
    CHECK(chunk < tail->unit_count && tail->pin_count[chunk] > 0);
    return tail->run_units[chunk] * tail->unit_size;
}

void tail_pin(struct tail *tail, uint32_t chunk)
{
    CHECK(chunk < tail->unit_count && tail->pin_count[chunk] > 0);
    tail->pin_count[chunk]++;
}

void tail_unpin(struct tail *tail, uint32_t chunk)
{
    CHECK(chunk < tail->unit_count && tail->pin_count[chunk] > 0);
    if (--tail->pin_count[chunk] > 0) return;
    const uint32_t units = tail->run_units[chunk];
    for (uint32_t unit = chunk; unit < chunk + units; unit++) tail->run_units[unit] = 0;
    tail->used_units -= units;
    if (chunk < tail->runs_begin) tail->free_units[tail->free_count++] = chunk;
}

uint64_t tail_used_size(const struct tail *tail)
{
    return (uint64_t)tail->used_units * tail->unit_size;
}

uint64_t tail_memory_size(const struct tail *tail)
{
    return (uint64_t)tail->unit_count * tail->unit_size;
}

void tail_check(const struct tail *tail)
{
    uint32_t used = 0;

    for (uint32_t unit = 0; unit < tail->unit_count; unit++) {
        const bool first = tail->pin_count[unit] > 0;
        CHECK(first ? tail->run_units[unit] >= 1 && tail->run_units[unit] < RUN_MEMBER
                    : tail->run_units[unit] == 0 || tail->run_units[unit] == RUN_MEMBER); /* (1) */
        used += first ? tail->run_units[unit] : 0;
    }
    CHECK(used == tail->used_units); /* (2) */
}
