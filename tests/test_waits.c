#include "base/prng.h"
#include "broker/waits.h"
#include "t.h"
#include <stdlib.h>

enum { LOGS = 4, ENTRIES = 64 };

static struct waits waits_small(void **memory)
{
    struct waits waits;

    *memory = aligned_alloc(64, waits_size(LOGS, ENTRIES));
    memset(*memory, 0, waits_size(LOGS, ENTRIES));
    waits_init(&waits, *memory, LOGS, ENTRIES);
    return waits;
}

static const struct order_row {
    const char *why;
    int64_t offsets[4]; /* as added; 0: none */
    int64_t kept[4];    /* as they are waited for */
} order_rows[] = {
    { "rising offsets are waited for as they are", { 3, 5, 9 }, { 3, 5, 9 } },
    { "equal ones too", { 5, 5 }, { 5, 5 } },
    { "a duplicate's lower offset waits with the one before it", { 5, 3, 9 }, { 5, 5, 9 } },
};

TEST(marks_are_waited_for_in_order)
{
    FOR_EACH(order_row, row, order_rows) {
        void *memory;
        struct waits waits = waits_small(&memory);
        uint32_t owner = WAITS_NONE;
        for (int i = 0; i < 4 && row->offsets[i] != 0; i++) {
            waits_add(&waits, QUEUE_DURABLE, 2, 7, row->offsets[i], &owner);
        }
        waits_check(&waits);
        for (int i = 0; i < 4 && row->kept[i] != 0; i++) {
            const uint32_t entry = waits_first(&waits, QUEUE_DURABLE, 2);
            EXPECT_EQ(row->why, row->kept[i], waits_at(&waits, entry)->offset);
            waits_reach(&waits, entry);
        }
        EXPECT_EQ(row->why, WAITS_NONE, waits_first(&waits, QUEUE_DURABLE, 2));
        waits_drop(&waits, &owner);
        EXPECT_EQ(row->why, 0, waits.pool.taken_count);
        free(memory);
    }
}

TEST(fetches_leave_room_for_produces)
{
    void *memory;
    struct waits waits = waits_small(&memory);
    uint32_t fetch = WAITS_NONE, produce = WAITS_NONE;

    for (uint32_t i = 0; i < ENTRIES / 2; i++) waits_add(&waits, QUEUE_FETCH, i % LOGS, 0, 0, &fetch);
    EXPECT("fetches have had their half", !waits_have_room(&waits, QUEUE_FETCH, 1));
    EXPECT("and nothing asked is always there", waits_have_room(&waits, QUEUE_FETCH, 0));
    EXPECT("produces have theirs", waits_have_room(&waits, QUEUE_COMMITTED, ENTRIES / 2));
    EXPECT("and no more", !waits_have_room(&waits, QUEUE_COMMITTED, ENTRIES / 2 + 1));
    for (uint32_t i = 0; i < ENTRIES / 2; i++) waits_add(&waits, QUEUE_COMMITTED, 0, 0, 1, &produce);
    EXPECT("full", !waits_have_room(&waits, QUEUE_DURABLE, 1));
    waits_drop(&waits, &fetch);
    EXPECT("what fetches gave back is for all", waits_have_room(&waits, QUEUE_DURABLE, ENTRIES / 2));
    waits_check(&waits);
    waits_drop(&waits, &produce);
    EXPECT_EQ("all is back", 0, waits.pool.taken_count);
    free(memory);
}

/* Against a model that is nothing but counters. */
TEST(random_owners_come_and_go)
{
    enum { OWNERS = 8 };
    void *memory;
    struct waits waits = waits_small(&memory);
    struct prng prng;
    uint32_t owners[OWNERS], held[OWNERS] = { 0 };
    int64_t offset = 1;

    prng_init(&prng, 5, 6);
    for (int i = 0; i < OWNERS; i++) owners[i] = WAITS_NONE;
    for (int step = 0; step < 20000; step++) {
        const uint32_t owner = (uint32_t)prng_below(&prng, OWNERS);
        const enum waits_queue queue = (enum waits_queue)prng_below(&prng, QUEUE_COUNT);
        const uint32_t log = (uint32_t)prng_below(&prng, LOGS);
        switch (prng_below(&prng, 4)) {
        case 0:
        case 1:
            if (!waits_have_room(&waits, queue, 1)) break;
            waits_add(&waits, queue, log, owner, offset++, &owners[owner]);
            held[owner]++;
            break;
        case 2:
            if (waits_first(&waits, queue, log) != WAITS_NONE) waits_reach(&waits, waits_first(&waits, queue, log));
            break;
        default: waits_drop(&waits, &owners[owner]); held[owner] = 0;
        }
        uint32_t total = 0;
        for (int i = 0; i < OWNERS; i++) total += held[i];
        EXPECT_EQ("an entry lives until its owner drops it", total, waits.pool.taken_count);
        waits_check(&waits);
    }
    free(memory);
}
