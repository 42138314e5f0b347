/* Member lists: how they change, and what is refused. A list is drawn as text: V voter, O old voter (o: both), L
 * learner, and x behind a member that leaves: "1V 2o 3O 4Ox 5L". */
#include "raft/configuration.h"
#include "t.h"

#include <stdlib.h>

enum { MEMBERS_MAX = 9, SIZE_MAX_OF_LIST = 200 };

static struct raft_configuration fresh(void)
{
    struct raft_configuration list;
    uint8_t *memory = malloc(raft_configuration_memory(MEMBERS_MAX, SIZE_MAX_OF_LIST)); /* small, and tests are short */
    raft_configuration_init(&list, memory, MEMBERS_MAX, SIZE_MAX_OF_LIST);
    return list;
}

static void draw(const struct raft_configuration *list, char *text)
{
    *text = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct raft_member *member = &list->members[i];
        const uint8_t voter = member->flags & (RAFT_VOTER | RAFT_OLD_VOTER);
        const char *role = voter == 0 ? "L" : voter == RAFT_VOTER ? "V" : voter == RAFT_OLD_VOTER ? "O" : "o";
        text += sprintf(text, "%s%u%s%s", i == 0 ? "" : " ", (unsigned)member->id, role,
                        (member->flags & RAFT_LEAVING) != 0 ? "x" : "");
    }
}

/* Encodes what `text` draws, and reads it. */
static struct raft_configuration list_of(const char *text)
{
    struct raft_configuration list = fresh();
    uint8_t bytes[SIZE_MAX_OF_LIST] = { 1 };
    uint32_t size = 8, count = 0;

    for (; *text != 0; count++) {
        char *end;
        store_u64(bytes + size, strtoull(text, &end, 10));
        bytes[size + 8] = *end == 'V' ? RAFT_VOTER : *end == 'O' ? RAFT_OLD_VOTER : *end == 'o' ? 3 : 0;
        if (end[1] == 'x') bytes[size + 8] |= RAFT_LEAVING;
        bytes[size + 9] = 2;
        memcpy(bytes + size + 10, "ad", 2);
        size += 12;
        text = end + 1 + (end[1] == 'x');
        while (*text == ' ') text++;
    }
    store_u32(bytes + 4, count);
    const enum raft_configuration_verdict verdict = raft_configuration_read(&list, (struct bytes){ bytes, size });
    EXPECT_EQ("a list that a test draws is good", RAFT_CONFIGURATION_GOOD, verdict);
    return list;
}

#define ADD(id)                                                                                                        \
    {                                                                                                                  \
        RAFT_ADD, id,                                                                                                  \
        {                                                                                                              \
            (const uint8_t *)"new", 3                                                                                  \
        }                                                                                                              \
    }

static const struct change_row {
    const char *why;
    const char *from;
    struct raft_change changes[4];
    enum raft_configuration_verdict verdict;
    const char *to, *then; /* then: after the joint phase; NULL: there is none */
} change_rows[] = {
    { "a learner joins at once", "1V", { ADD(2) }, RAFT_CONFIGURATION_GOOD, "1V 2L", NULL },
    { "in the order of ids", "2V", { ADD(3), ADD(1) }, RAFT_CONFIGURATION_GOOD, "1L 2V 3L", NULL },
    { "one to three voters in one change",
      "1V 2L 3L",
      { { .kind = RAFT_PROMOTE, .id = 2 }, { .kind = RAFT_PROMOTE, .id = 3 } },
      RAFT_CONFIGURATION_GOOD,
      "1o 2V 3V",
      "1V 2V 3V" },
    { "a voter is replaced",
      "1V 2V 3V 4L",
      { { .kind = RAFT_REMOVE, .id = 1 }, { .kind = RAFT_PROMOTE, .id = 4 } },
      RAFT_CONFIGURATION_GOOD,
      "1Ox 2o 3o 4V",
      "2V 3V 4V" },
    { "a voter becomes a learner",
      "1V 2V 3V",
      { { .kind = RAFT_DEMOTE, .id = 3 } },
      RAFT_CONFIGURATION_GOOD,
      "1o 2o 3O",
      "1V 2V 3L" },
    { "a learner leaves at once", "1V 2L", { { .kind = RAFT_REMOVE, .id = 2 } }, RAFT_CONFIGURATION_GOOD, "1V", NULL },
    { "a new address needs no joint phase", "1V 2V", { ADD(2) }, RAFT_CONFIGURATION_GOOD, "1V 2V", NULL },
    { "the sole voter goes as another comes",
      "1V 2L",
      { { .kind = RAFT_REMOVE, .id = 1 }, { .kind = RAFT_PROMOTE, .id = 2 } },
      RAFT_CONFIGURATION_GOOD,
      "1Ox 2V",
      "2V" },
    { "somebody has to decide", "1V 2L", { { .kind = RAFT_REMOVE, .id = 1 } }, RAFT_CONFIGURATION_EMPTY, "", NULL },
    { "nor by demotion", "1V", { { .kind = RAFT_DEMOTE, .id = 1 } }, RAFT_CONFIGURATION_EMPTY, "", NULL },
    { "a stranger cannot leave", "1V", { { .kind = RAFT_REMOVE, .id = 2 } }, RAFT_CONFIGURATION_UNKNOWN, "", NULL },
    { "nor be promoted", "1V", { { .kind = RAFT_PROMOTE, .id = 2 } }, RAFT_CONFIGURATION_UNKNOWN, "", NULL },
    { "a voter is one already", "1V", { { .kind = RAFT_PROMOTE, .id = 1 } }, RAFT_CONFIGURATION_UNKNOWN, "", NULL },
    { "a learner is none yet", "1V 2L", { { .kind = RAFT_DEMOTE, .id = 2 } }, RAFT_CONFIGURATION_UNKNOWN, "", NULL },
    { "one change per member",
      "1V",
      { ADD(2), { .kind = RAFT_PROMOTE, .id = 2 } },
      RAFT_CONFIGURATION_UNKNOWN,
      "",
      NULL },
    { "id 0 is nobody", "1V", { ADD(0) }, RAFT_CONFIGURATION_UNKNOWN, "", NULL },
    { "not an eighth voter",
      "1V 2V 3V 4V 5V 6V 7V 8L",
      { { .kind = RAFT_PROMOTE, .id = 8 } },
      RAFT_CONFIGURATION_FULL,
      "",
      NULL },
    { "not more members than there is room",
      "1V 2L 3L 4L 5L 6L 7L 8L",
      { ADD(10), ADD(11) },
      RAFT_CONFIGURATION_FULL,
      "",
      NULL },
};

TEST(lists_change)
{
    FOR_EACH(change_row, row, change_rows) {
        const struct raft_configuration from = list_of(row->from);
        struct raft_configuration to = fresh(), then = fresh();
        char text[200];
        uint32_t count = 0;
        while (count < 4 && (row->changes[count].id != 0 || row->changes[count].address.size > 0)) count++;
        EXPECT_EQ(row->why, row->verdict, raft_configuration_change(&to, &from, row->changes, count));
        raft_configuration_check(&to);
        draw(&to, text);
        EXPECT_TEXT(row->why, row->to, text);
        if (row->verdict == RAFT_CONFIGURATION_GOOD) {
            struct raft_configuration again = fresh();
            EXPECT_EQ("what is written can be read", RAFT_CONFIGURATION_GOOD,
                      raft_configuration_read(&again, (struct bytes){ to.bytes, to.size }));
            EXPECT_EQ(row->why, row->then != NULL, raft_configuration_is_joint(&again));
            free(again.members);
        }
        if (row->then != NULL) {
            raft_configuration_leave_joint(&then, &to);
            draw(&then, text);
            EXPECT_TEXT(row->why, row->then, text);
        }
        free(from.members);
        free(to.members);
        free(then.members);
    }
}

TEST(addresses_follow_their_members)
{
    struct raft_configuration from = list_of("1V 3L"), to = fresh();
    const struct raft_change changes[] = { ADD(3), ADD(2) };

    EXPECT_EQ("taken", RAFT_CONFIGURATION_GOOD, raft_configuration_change(&to, &from, changes, 2));
    const struct bytes old = raft_configuration_address(&to, raft_configuration_find(&to, 1));
    EXPECT("who stays keeps it", bytes_equal(old, BYTES_LITERAL("ad")));
    EXPECT("who moves has the new one",
           bytes_equal(raft_configuration_address(&to, raft_configuration_find(&to, 3)), BYTES_LITERAL("new")));
    EXPECT("who comes brings it",
           bytes_equal(raft_configuration_address(&to, raft_configuration_find(&to, 2)), BYTES_LITERAL("new")));
    EXPECT("nobody else is there", raft_configuration_find(&to, 4) == NULL);
    free(from.members);
    free(to.members);
}

#define MEMBER(id, flags) 0, 0, 0, 0, 0, 0, 0, id, flags, 0

static const struct read_row {
    const char *why;
    uint8_t bytes[64];
    uint32_t size;
    enum raft_configuration_verdict verdict;
} read_rows[] = {
    { "one voter", { 1, 0, 0, 0, 0, 0, 0, 1, MEMBER(5, 1) }, 18, RAFT_CONFIGURATION_GOOD },
    { "nothing at all", { 0 }, 0, RAFT_CONFIGURATION_MALFORMED },
    { "another version", { 2, 0, 0, 0, 0, 0, 0, 1, MEMBER(5, 1) }, 18, RAFT_CONFIGURATION_MALFORMED },
    { "cut short", { 1, 0, 0, 0, 0, 0, 0, 1, MEMBER(5, 1) }, 17, RAFT_CONFIGURATION_MALFORMED },
    { "more than was said", { 1, 0, 0, 0, 0, 0, 0, 1, MEMBER(5, 1), 0 }, 19, RAFT_CONFIGURATION_MALFORMED },
    { "a count that lies", { 1, 0, 0, 0, 255, 255, 255, 255, MEMBER(5, 1) }, 18, RAFT_CONFIGURATION_MALFORMED },
    { "out of order", { 1, 0, 0, 0, 0, 0, 0, 2, MEMBER(5, 1), MEMBER(4, 1) }, 28, RAFT_CONFIGURATION_MALFORMED },
    { "twice", { 1, 0, 0, 0, 0, 0, 0, 2, MEMBER(5, 1), MEMBER(5, 1) }, 28, RAFT_CONFIGURATION_MALFORMED },
    { "nobody's id", { 1, 0, 0, 0, 0, 0, 0, 1, MEMBER(0, 1) }, 18, RAFT_CONFIGURATION_MALFORMED },
    { "an unknown flag", { 1, 0, 0, 0, 0, 0, 0, 1, MEMBER(5, 9) }, 18, RAFT_CONFIGURATION_MALFORMED },
    { "a leaving new voter", { 1, 0, 0, 0, 0, 0, 0, 1, MEMBER(5, 5) }, 18, RAFT_CONFIGURATION_MALFORMED },
    { "an address behind the end",
      { 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 9, 'a' },
      19,
      RAFT_CONFIGURATION_MALFORMED },
    { "learners alone", { 1, 0, 0, 0, 0, 0, 0, 1, MEMBER(5, 0) }, 18, RAFT_CONFIGURATION_EMPTY },
};

TEST(lists_are_read_with_suspicion)
{
    FOR_EACH(read_row, row, read_rows) {
        struct raft_configuration list = fresh();
        const struct bytes bytes = { row->bytes, row->size };
        EXPECT_EQ(row->why, row->verdict, raft_configuration_read(&list, bytes));
        EXPECT_EQ(row->why, row->verdict == RAFT_CONFIGURATION_GOOD ? 1 : 0, list.count);
        raft_configuration_check(&list);
        free(list.members);
    }
}
