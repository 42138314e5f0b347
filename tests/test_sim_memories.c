/* What replicas remember of producers must be the same, and nothing more is asked. */
#include "sim/memories.h"
#include "t.h"

static const struct memory_row {
    const char *why;
    struct memory ours, theirs;
    enum rule rule;
} memory_rows[] = {
    { "nobody has written", { .whole = true }, { .whole = true }, RULE_NONE },
    { "both know the same, in any order",
      { .whole = true, .count = 2, .producers = { { 7, 1, 20, 0 }, { 8, 1, 3, 1 } } },
      { .whole = true, .count = 2, .producers = { { 8, 2, 3, 1 }, { 7, 2, 20, 0 } } },
      RULE_NONE },
    { "one remembers an earlier batch",
      { .whole = true, .count = 1, .producers = { { 7, 1, 20, 0 } } },
      { .whole = true, .count = 1, .producers = { { 7, 1, 19, 0 } } },
      RULE_O8 },
    { "or another epoch",
      { .whole = true, .count = 1, .producers = { { 7, 1, 20, 0 } } },
      { .whole = true, .count = 1, .producers = { { 7, 1, 20, 1 } } },
      RULE_O8 },
    { "one knows nothing of a producer",
      { .whole = true, .count = 1, .producers = { { 7, 1, 20, 0 } } },
      { .whole = true },
      RULE_O8 },
    { "his records may be deleted there",
      { .whole = true, .count = 1, .producers = { { 7, 1, 20, 0 } } },
      { .whole = false },
      RULE_NONE },
    { "or were, and he is remembered from before",
      { .whole = false, .count = 1, .producers = { { 7, 1, 20, 0 } } },
      { .whole = true },
      RULE_NONE },
};

TEST(memories)
{
    FOR_EACH(memory_row, row, memory_rows) {
        static struct judge judge;
        judge_init(&judge);
        memories_judge(&judge, 0, &row->ours, &row->theirs);
        EXPECT_EQ(row->why, row->rule, judge.broken);
        judge_free(&judge);
    }
}
