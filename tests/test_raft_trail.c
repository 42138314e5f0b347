/* The log as terms and weights. */
#include "raft/trail.h"
#include "t.h"

enum { CAPACITY = 8 };
static _Alignas(64) uint8_t memory[CAPACITY * sizeof(struct raft_trail_slot)];

/* A trail of these terms behind a base; entry i has a payload of i bytes. */
static struct raft_trail trail_of(uint64_t base_index, uint64_t base_term, const char *terms)
{
    struct raft_trail trail;
    raft_trail_init(&trail, memory, CAPACITY);
    raft_trail_reset(&trail, base_index, base_term);
    for (; *terms != 0; terms++) {
        const uint32_t size = (uint32_t)trail.last_index + 1;
        raft_trail_append(&trail, (struct raft_entry){ (uint64_t)(*terms - '0'), size, RAFT_ENTRY_DATA });
    }
    raft_trail_check(&trail);
    return trail;
}

static const struct find_row {
    const char *why;
    uint64_t base_index, base_term;
    const char *terms;
    uint64_t index, term, found;
} find_rows[] = {
    { "the entry itself, when its term is low enough", 0, 0, "1123", 3, 2, 3 },
    { "the last of the lower term before it", 0, 0, "1123", 4, 2, 3 },
    { "skips a whole term", 0, 0, "11444", 5, 3, 2 },
    { "nothing agrees: the beginning", 0, 0, "444", 3, 3, 0 },
    { "behind the end counts as the end", 0, 0, "112", 9, 2, 3 },
    { "the base's term is known", 10, 3, "4455", 14, 3, 10 },
    { "below the base nothing is", 10, 3, "4455", 14, 2, 9 },
    { "not covered: asked below the base", 10, 3, "44", 7, 3, 9 },
    { "an empty log", 0, 0, "", 5, 5, 0 },
    { "an empty log behind a snapshot", 10, 3, "", 12, 5, 10 },
};

TEST(where_two_logs_may_agree)
{
    FOR_EACH(find_row, row, find_rows) {
        const struct raft_trail trail = trail_of(row->base_index, row->base_term, row->terms);
        EXPECT_EQ(row->why, row->found, raft_trail_find(&trail, row->index, row->term));
    }
}

static const struct fit_row {
    const char *why;
    uint64_t after, weight, fit;
} fit_rows[] = {
    { "nothing fits into nothing", 0, 0, 0 },
    { "one byte too few", 0, RAFT_ENTRY_OVERHEAD, 0 },
    { "the first weighs its overhead and a byte", 0, RAFT_ENTRY_OVERHEAD + 1, 1 },
    { "two", 0, 2 * RAFT_ENTRY_OVERHEAD + 3, 2 },
    { "not quite three", 0, 3 * RAFT_ENTRY_OVERHEAD + 5, 2 },
    { "all of them, and no more", 0, 10000, 5 },
    { "from the middle", 3, RAFT_ENTRY_OVERHEAD + 4, 4 },
    { "behind the last", 5, 10000, 5 },
};

TEST(how_much_fits)
{
    FOR_EACH(fit_row, row, fit_rows) {
        const struct raft_trail trail = trail_of(0, 0, "11111");
        EXPECT_EQ(row->why, row->fit, raft_trail_fit(&trail, row->after, row->weight));
    }
}

TEST(a_trail_wraps)
{
    struct raft_trail trail = trail_of(0, 0, "11112222");

    EXPECT_EQ("full", 0, raft_trail_room(&trail));
    raft_trail_compact(&trail, 5);
    EXPECT_EQ("five places free", 5, raft_trail_room(&trail));
    EXPECT_EQ("the base keeps its term", 2, raft_trail_term(&trail, 5));
    EXPECT_EQ("what lies below is not known", 0, raft_trail_term(&trail, 4));
    for (uint32_t i = 0; i < 5; i++) raft_trail_append(&trail, (struct raft_entry){ 3, 7, RAFT_ENTRY_NOOP });
    EXPECT_EQ("around the corner", 13, trail.last_index);
    EXPECT_EQ("old ones are still right", 8, raft_trail_entry(&trail, 8).size);
    EXPECT_EQ("new ones too", 7, raft_trail_entry(&trail, 13).size);
    EXPECT_EQ("with their kind", RAFT_ENTRY_NOOP, raft_trail_entry(&trail, 13).kind);
    raft_trail_truncate(&trail, 9);
    EXPECT_EQ("cut", 8, trail.last_index);
    EXPECT_EQ("weight of what is left", 3 * RAFT_ENTRY_OVERHEAD + 6 + 7 + 8, raft_trail_weight(&trail, 0, 8));
    raft_trail_reset(&trail, 100, 9);
    EXPECT_EQ("a snapshot replaces it all", CAPACITY, raft_trail_room(&trail));
    EXPECT_EQ("and is its base", 9, raft_trail_last_term(&trail));
    raft_trail_check(&trail);
}
