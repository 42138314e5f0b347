/* Groups of the newer protocol, its leaves: who is to read what, how a member comes there, which topics an expression
 * means, and Kafka's bytes of all that. */
#include "base/prng.h"
#include "base/text.h"
#include "group/assign.h"
#include "group/consumer_records.h"
#include "group/records.h"
#include "group/regex.h"
#include "t.h"

/* ---- assignors ---- */

enum { MEMBERS_MAX = 64, TOPICS_MAX = 16, PARTS_MAX = 512, SCRATCH_MAX = 4096 };

struct table {
    struct assign assign;
    uint32_t topic_first[TOPICS_MAX + 1], member_set[MEMBERS_MAX], set_first[MEMBERS_MAX + 1];
    uint32_t set_topics[MEMBERS_MAX * TOPICS_MAX], order[MEMBERS_MAX], owner[PARTS_MAX], scratch[SCRATCH_MAX];
};

/* "ab b": one member subscribes to the topics a and b, another one to b. Sizes: how many partitions has each. */
static void table_of(struct table *table, const char *members, const char *sizes)
{
    struct assign *assign = &table->assign;

    memset(table, 0, sizeof *table);
    for (; sizes[assign->topic_count] != 0; assign->topic_count++) {
        const uint32_t at = assign->topic_count;
        table->topic_first[at + 1] = table->topic_first[at] + (uint32_t)(sizes[at] - '0');
    }
    while (*members != 0) {
        const uint32_t set = assign->set_count++;
        table->set_first[set + 1] = table->set_first[set];
        for (; *members != 0 && *members != ' '; members++) {
            table->set_topics[table->set_first[set + 1]++] = (uint32_t)(*members - 'a');
        }
        if (*members == ' ') members++;
        table->member_set[assign->member_count] = set;
        table->order[assign->member_count] = assign->member_count;
        assign->member_count++;
    }
    assign->topic_first = table->topic_first;
    assign->member_set = table->member_set;
    assign->set_first = table->set_first;
    assign->set_topics = table->set_topics;
    assign->order = table->order;
    assign->owner = table->owner;
    assign->scratch = table->scratch;
}

/* One letter for each partition: 0 for the first member; a dot: nobody. Topics have a space between them. */
static void say_owners(const struct table *table, char *text)
{
    for (uint32_t topic = 0; topic < table->assign.topic_count; topic++) {
        if (topic > 0) *text++ = ' ';
        for (uint32_t i = table->topic_first[topic]; i < table->topic_first[topic + 1]; i++) {
            *text++ = table->owner[i] == ASSIGN_NOBODY ? '.' : (char)('0' + table->owner[i]);
        }
    }
    *text = 0;
}

static void hear_owners(struct table *table, const char *text)
{
    uint32_t at = 0;

    for (; *text != 0; text++) {
        if (*text != ' ') table->owner[at++] = *text == '.' ? ASSIGN_NOBODY : (uint32_t)(*text - '0');
    }
}

static const struct assign_row {
    const char *why;
    bool range;
    const char *members, *sizes, *before, *after;
} assign_rows[] = {
    { "a stretch for each", true, "a a", "4", "....", "0011" },
    { "the first ones have one more", true, "a a a", "8", "........", "00011122" },
    { "topics of one size are cut alike", true, "abc abc", "333", "... ... ...", "001 001 001" },
    { "more members than partitions: the last ones have none", true, "a a a", "2", "..", "01" },
    { "only who subscribes counts", true, "a ab b", "43", ".... ...", "0011 112" },
    { "nobody subscribes", true, "a", "12", ". ..", "0 .." },
    { "it does not care what was", true, "a a", "4", "1100", "0011" },
    { "uniform: even", false, "a a", "4", "....", "0101" },
    { "what somebody has stays with him", false, "a a", "4", "1100", "1100" },
    { "who comes gets no more than his share", false, "a a a", "6", "000111", "200211" },
    { "one more is fair: nothing moves", false, "a a", "5", "00011", "00011" },
    { "two more is not", false, "a a", "4", "0001", "1001" },
    { "what was somebody's who does not subscribe any more", false, "b a", "42", "0011 00", "1111 00" },
    { "who can have nothing else has it", false, "ab a", "22", ".. ..", "11 00" },
    { "who has nothing yet comes first", false, "a ab bc c", "422", ".... .. ..", "0101 22 33" },
    { "it may take more than one round", false, "a ab b", "44", "0000 1111", "1000 2211" },
    { "no members", false, "", "2", "..", ".." },
};

TEST(assignors_give_what_they_should)
{
    static struct table table;
    char said[PARTS_MAX];

    FOR_EACH(assign_row, row, assign_rows) {
        table_of(&table, row->members, row->sizes);
        hear_owners(&table, row->before);
        if (row->range) assign_range(&table.assign);
        else assign_uniform(&table.assign);
        say_owners(&table, said);
        EXPECT_TEXT(row->why, row->after, said);
    }
}

static void draw(struct table *table, struct prng *prng)
{
    struct assign *assign = &table->assign;
    const uint32_t sets = 1 + (uint32_t)prng_below(prng, 5);

    table_of(table, "", "");
    assign->topic_count = 1 + (uint32_t)prng_below(prng, TOPICS_MAX);
    assign->member_count = 1 + (uint32_t)prng_below(prng, MEMBERS_MAX);
    assign->set_count = sets;
    for (uint32_t i = 0; i < assign->topic_count; i++) {
        table->topic_first[i + 1] = table->topic_first[i] + (uint32_t)prng_below(prng, 32);
    }
    for (uint32_t set = 0; set < sets; set++) {
        table->set_first[set + 1] = table->set_first[set];
        for (uint32_t i = 0; i < assign->topic_count; i++) {
            if (prng_below(prng, 2) == 0) table->set_topics[table->set_first[set + 1]++] = i;
        }
    }
    for (uint32_t i = 0; i < assign->member_count; i++) {
        table->member_set[i] = (uint32_t)prng_below(prng, sets);
        table->order[i] = i;
    }
    for (uint32_t i = 0; i < table->topic_first[assign->topic_count]; i++) {
        const uint32_t was = (uint32_t)prng_below(prng, assign->member_count + 3);
        table->owner[i] = was < assign->member_count ? was : ASSIGN_NOBODY;
    }
}

static bool subscribes(const struct table *table, uint32_t member, uint32_t topic)
{
    const uint32_t set = table->member_set[member];

    for (uint32_t i = table->set_first[set]; i < table->set_first[set + 1]; i++) {
        if (table->set_topics[i] == topic) return true;
    }
    return false;
}

/* Nobody has two more than somebody who might have one of them; and who does not want it has nothing. */
static void judge(const struct table *table, bool range)
{
    uint32_t load[MEMBERS_MAX] = { 0 };
    const struct assign *assign = &table->assign;

    for (uint32_t i = 0; i < table->topic_first[assign->topic_count]; i++) {
        if (table->owner[i] != ASSIGN_NOBODY) load[table->owner[i]]++;
    }
    for (uint32_t topic = 0; topic < assign->topic_count; topic++) {
        for (uint32_t i = table->topic_first[topic]; i < table->topic_first[topic + 1]; i++) {
            const uint32_t owner = table->owner[i];
            for (uint32_t member = 0; member < assign->member_count; member++) {
                if (!subscribes(table, member, topic)) continue;
                EXPECT("what somebody wants is somebody's", owner != ASSIGN_NOBODY);
                if (!range) EXPECT("it is fair", load[owner] <= load[member] + 1);
            }
            if (owner != ASSIGN_NOBODY) EXPECT("the owner wants it", subscribes(table, owner, topic));
        }
    }
}

TEST(assignors_are_fair_whatever_was_before)
{
    static struct table table, again;
    struct prng prng;

    prng_init(&prng, 848, 1);
    for (uint32_t i = 0; i < 300; i++) {
        draw(&table, &prng);
        CHECK(assign_scratch_count(table.assign.member_count, table.assign.topic_count, table.assign.set_count,
                                   table.set_first[table.assign.set_count]) <= SCRATCH_MAX);
        if (i % 2 == 0) assign_range(&table.assign);
        else assign_uniform(&table.assign);
        judge(&table, i % 2 == 0);
        if (i % 2 == 0) continue;
        again = table;
        assign_uniform(&table.assign); /* its lists are those of before: they say the same */
        EXPECT("what is fair stays as it is", memcmp(again.owner, table.owner, sizeof table.owner) == 0);
    }
}

static const struct pause_row {
    const char *why;
    uint64_t members, partitions, ms;
} pause_rows[] = {
    { "most groups do not rest", 100, 1000, 0 },
    { "up to here", 96, 4000, 0 },
    { "large ones do", 100, 4900, 100 },
    { "by their members, too", 4900, 100, 100 },
    { "as long as they are large", 5000, 100000, 2100 },
};

TEST(large_groups_rest_between_their_targets)
{
    FOR_EACH(pause_row, row, pause_rows) {
        EXPECT_EQ(row->why, row->ms, assign_pause_ms(row->members, row->partitions));
    }
}

/* ---- the way to a target ---- */

/* Partitions of one topic, a letter each. */
static struct part_list parts_said(const char *letters, struct part *list)
{
    struct part_list parts = { list, 0 };

    for (; *letters != 0; letters++) list[parts.count++] = (struct part){ .index = *letters - 'a' };
    return parts;
}

static void say_parts(struct part_list parts, char *text)
{
    for (uint32_t i = 0; i < parts.count; i++) *text++ = (char)('a' + parts.list[i].index);
    *text = 0;
}

static const struct way_row {
    const char *why;
    enum member_phase phase;
    int32_t epoch;
    const char *assigned, *revoking;
    int32_t target_epoch;
    const char *target, *taken;
    const char *owned; /* NULL: it does not say */
    bool changes;
    enum member_phase then_phase;
    int32_t then_epoch;
    const char *then_assigned, *then_revoking;
} way_rows[] = {
    { "it has arrived", MEMBER_STABLE, 5, "ab", "", 5, "ab", "", NULL, false, 0, 0, "", "" },
    { "only the epoch is another one", MEMBER_STABLE, 5, "ab", "", 6, "ab", "", NULL, true, MEMBER_STABLE, 6, "ab",
      "" },
    { "who comes gets what is free", MEMBER_STABLE, 0, "", "", 1, "ab", "", "", true, MEMBER_STABLE, 1, "ab", "" },
    { "and not what others have yet", MEMBER_STABLE, 0, "", "", 2, "abc", "b", "", true, MEMBER_UNRELEASED, 2, "ac",
      "" },
    { "it may get nothing at all yet", MEMBER_STABLE, 0, "", "", 2, "a", "a", "", true, MEMBER_UNRELEASED, 2, "", "" },
    { "first it gives up, in its own epoch, and gets nothing", MEMBER_STABLE, 5, "ab", "", 6, "bc", "", NULL, true,
      MEMBER_UNREVOKED, 5, "b", "a" },
    { "what it says that it has not got needs not be given up", MEMBER_STABLE, 5, "ab", "", 6, "bc", "", "b", true,
      MEMBER_STABLE, 6, "bc", "" },
    { "as long as it does not say what it has, it has it", MEMBER_UNREVOKED, 5, "b", "a", 6, "bc", "", NULL, false, 0,
      0, "", "" },
    { "or says that it has it", MEMBER_UNREVOKED, 5, "b", "a", 6, "bc", "", "ab", false, 0, 0, "", "" },
    { "then it goes on", MEMBER_UNREVOKED, 5, "b", "a", 6, "bc", "", "b", true, MEMBER_STABLE, 6, "bc", "" },
    { "to the next thing that it is to give up, if the target has changed", MEMBER_UNREVOKED, 5, "bc", "a", 8, "b", "",
      "bc", true, MEMBER_UNREVOKED, 6, "b", "c" },
    { "who waits gets it when it is free", MEMBER_UNRELEASED, 6, "b", "", 6, "bc", "", NULL, true, MEMBER_STABLE, 6,
      "bc", "" },
    { "part of it, and waits on", MEMBER_UNRELEASED, 6, "b", "", 6, "bcd", "d", NULL, true, MEMBER_UNRELEASED, 6, "bc",
      "" },
    { "or nothing", MEMBER_UNRELEASED, 6, "b", "", 6, "bc", "c", NULL, false, 0, 0, "", "" },
    { "who waits may have to give up", MEMBER_UNRELEASED, 6, "ab", "", 7, "b", "", NULL, true, MEMBER_UNREVOKED, 6, "b",
      "a" },
    { "everything", MEMBER_STABLE, 3, "ab", "", 4, "", "", NULL, true, MEMBER_UNREVOKED, 3, "", "ab" },
};

TEST(members_come_to_their_target)
{
    FOR_EACH(way_row, row, way_rows) {
        struct part lists[4][8], assigned[8], revoking[8];
        bool taken[8] = { false };
        char said[16];
        struct member_standing after = { 0 };
        struct reconciling reconciling = {
            .before = { row->phase, row->epoch, row->epoch - 1, parts_said(row->assigned, lists[0]),
                        parts_said(row->revoking, lists[1]) },
            .target_epoch = row->target_epoch,
            .target = parts_said(row->target, lists[2]),
            .taken = taken,
            .owned_told = row->owned != NULL,
        };
        if (row->owned != NULL) reconciling.owned = parts_said(row->owned, lists[3]);
        for (uint32_t i = 0; i < reconciling.target.count; i++) {
            taken[i] = strchr(row->taken, 'a' + reconciling.target.list[i].index) != NULL;
        }
        EXPECT_EQ(row->why, row->changes, reconcile(&reconciling, assigned, revoking, &after));
        if (!row->changes) continue;
        EXPECT_EQ(row->why, row->then_phase, after.phase);
        EXPECT_EQ(row->why, row->then_epoch, after.epoch);
        EXPECT_EQ(row->why, row->epoch, after.previous_epoch);
        say_parts(after.assigned, said);
        EXPECT_TEXT(row->why, row->then_assigned, said);
        say_parts(after.revoking, said);
        EXPECT_TEXT(row->why, row->then_revoking, said);
    }
}

/* ---- expressions ---- */

static const struct regex_row {
    const char *why;
    const char *text, *name;
    int matches; /* -1: it is no expression */
} regex_rows[] = {
    { "letters", "orders", "orders", 1 },
    { "all of the name", "orders", "orders-eu", 0 },
    { "all of it at its begin, too", "orders", "my-orders", 0 },
    { "any letter", "order.", "orders", 1 },
    { "one of them", "order.", "order", 0 },
    { "any number", "orders.*", "orders", 1 },
    { "at least one", "orders.+", "orders", 0 },
    { "one or none", "colou?r", "color", 1 },
    { "lazy is the same", "a.*?b", "axxb", 1 },
    { "the one or the other", "a|b|cd", "cd", 1 },
    { "with nothing in one of them", "a(b|)c", "ac", 1 },
    { "all alternatives are whole", "a|b", "ab", 0 },
    { "groups", "(ab)+", "ababab", 1 },
    { "without a number", "(?:ab)+c", "ababc", 1 },
    { "with a name", "(?P<x>a)(?<y>b)", "ab", 1 },
    { "a class", "[a-c]+", "abcab", 1 },
    { "not in it", "[a-c]+", "abd", 0 },
    { "all but that", "[^a-c]+", "xyz", 1 },
    { "a bracket comes first", "[]a]+", "]a", 1 },
    { "a dash comes last", "[a-]+", "a-a", 1 },
    { "escaped in a class", "[\\]\\-]+", "]-", 1 },
    { "digits", "t\\d+", "t42", 1 },
    { "no digits", "t\\D+", "t42", 0 },
    { "words in a class", "[\\w.]+", "a_b.c", 1 },
    { "named classes", "[[:alpha:]]+[[:digit:]]", "ab1", 1 },
    { "and their opposite", "[[:^alpha:]]", "a", 0 },
    { "so many", "a{3}", "aaa", 1 },
    { "not fewer", "a{3}", "aa", 0 },
    { "from, to", "a{1,2}b", "aab", 1 },
    { "not more", "a{1,2}b", "aaab", 0 },
    { "at least", "a{2,}", "aaaa", 1 },
    { "none at all", "ba{0}", "b", 1 },
    { "braces that count nothing", "a{x}", "a{x}", 1 },
    { "begin and end", "^a$", "a", 1 },
    { "a begin in the middle", "a^b", "ab", 0 },
    { "begin and end of all", "\\Aab\\z", "ab", 1 },
    { "a word's edge", "\\bab\\b.c", "ab.c", 1 },
    { "and none", "a\\Bb", "ab", 1 },
    { "quoted", "\\Qa.b\\E.", "a.bc", 1 },
    { "quoted is not any letter", "\\Qa.b\\E", "axb", 0 },
    { "a dot", "a\\.b", "a.b", 1 },
    { "a number for a letter", "\\x61\\x{62}", "ab", 1 },
    { "capital or not", "(?i)orders", "OrDeRs", 1 },
    { "only inside", "(?i:a)b", "AB", 0 },
    { "switched off again", "(?i)a(?-i)b", "AB", 0 },
    { "classes, too", "(?i)[a-c]", "B", 1 },
    { "their opposite", "(?i)[^a]", "A", 0 },
    { "nothing", "", "", 1 },
    { "nothing is nothing else", "", "a", 0 },
    { "letters of more than one byte", "\xc3\xa9?a", "a", 1 },
    { "what takes others for ever", "(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", 0 },
    { "an open group", "(a", "", -1 },
    { "one too many", "a)", "", -1 },
    { "an open class", "[a", "", -1 },
    { "a class that runs backwards", "[c-a]", "", -1 },
    { "a repetition of nothing", "*a", "", -1 },
    { "of a repetition", "a**", "", -1 },
    { "to and from", "a{3,2}", "", -1 },
    { "too often", "a{1001}", "", -1 },
    { "too large", "(a{1000}){1000}", "", -1 },
    { "a reference", "(a)\\1", "", -1 },
    { "looking ahead", "a(?=b)", "", -1 },
    { "and back", "(?<=a)b", "", -1 },
    { "a class that is not there", "[[:letters:]]", "", -1 },
    { "of Unicode", "\\pL", "", -1 },
    { "a lone backslash", "a\\", "", -1 },
};

TEST(expressions_mean_topics)
{
    static struct regex regex;

    FOR_EACH(regex_row, row, regex_rows) {
        const bool valid = regex_compile(&regex, text_of(row->text));
        EXPECT_EQ(row->why, row->matches >= 0, valid);
        if (valid) EXPECT_EQ(row->why, row->matches, regex_matches(&regex, text_of(row->name)));
    }
}

TEST(expressions_that_nobody_wrote_do_no_harm)
{
    static const char letters[] = "ab.*+?|()[]{}^$\\-1,di:";
    static struct regex regex;
    struct prng prng;
    uint32_t valid = 0;

    prng_init(&prng, 848, 2);
    for (uint32_t i = 0; i < 20000; i++) {
        uint8_t text[24];
        const uint32_t size = (uint32_t)prng_below(&prng, sizeof text + 1);
        for (uint32_t j = 0; j < size; j++) text[j] = (uint8_t)letters[prng_below(&prng, sizeof letters - 1)];
        if (!regex_compile(&regex, (struct bytes){ text, size })) continue;
        valid++;
        regex_matches(&regex, BYTES_LITERAL("abab1"));
    }
    EXPECT("some of them are expressions", valid > 100);
}

/* ---- records ---- */

#define BYTES(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static const struct key_row {
    const char *why;
    const uint8_t *bytes;
    uint32_t size;
    enum record_kind kind;
    const char *name;
} key_rows[] = {
    { "an epoch", BYTES(0, 3, 0, 1, 'g'), RECORD_CONSUMER_GROUP, "" },
    { "a member", BYTES(0, 5, 0, 1, 'g', 0, 1, 'm'), RECORD_CONSUMER_MEMBER, "m" },
    { "the target's epoch", BYTES(0, 6, 0, 1, 'g'), RECORD_TARGET, "" },
    { "a member's target", BYTES(0, 7, 0, 1, 'g', 0, 1, 'm'), RECORD_TARGET_MEMBER, "m" },
    { "what it has", BYTES(0, 8, 0, 1, 'g', 0, 1, 'm'), RECORD_CURRENT_MEMBER, "m" },
    { "an expression", BYTES(0, 16, 0, 1, 'g', 0, 2, 't', '*'), RECORD_REGEX, "t*" },
};

TEST(keys_of_the_newer_protocol_are_those_of_kafka)
{
    FOR_EACH(key_row, row, key_rows) {
        uint8_t memory[64];
        struct writer writer = writer_of(memory, sizeof memory);
        const struct record_key key = record_key_read((struct bytes){ row->bytes, row->size });
        EXPECT_EQ(row->why, row->kind, key.kind);
        EXPECT(row->why, bytes_equal(key.group_id, BYTES_LITERAL("g")) && bytes_equal(key.name, text_of(row->name)));
        record_key_write(&writer, &key);
        EXPECT_BYTES(row->why, row->bytes, row->size, memory, writer.size);
        if (row->name[0] == 0) continue;
        const struct record_key cut = record_key_read((struct bytes){ row->bytes, row->size - 1 });
        EXPECT_EQ("cut short", RECORD_BROKEN, cut.kind);
    }
}

static const uint8_t epoch_bytes[] = { 0, 0, 0, 0, 0, 7, 0 };
static const uint8_t hashed_bytes[] = { 0, 0, 0, 0, 0, 7, 1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2 };
static const uint8_t member_bytes[] = { 0,   0,   2, 'i', 0, 2, 'c', 3, '/', 'h', 3,   2,   'a', 3,
                                        'b', 'b', 0, 0,   0, 1, 44,  6, 'r', 'a', 'n', 'g', 'e', 0 };
static const uint8_t tagged_member_bytes[] = { 0, 0, 0, 0, 2, 'c', 1, 1, 2, '*', 0, 0, 0, 1, 0, 1, 0, 1, 0 };
static const uint8_t target_bytes[] = { 0, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
                                        9, 9, 9, 9, 3, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0 };
static const uint8_t current_bytes[] = { 0, 0, 0, 0, 0, 6, 0, 0, 0, 5, 1, 1, 2, 9, 9, 9, 9, 9,
                                         9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 2, 0, 0, 0, 4, 0, 0 };
static const uint8_t regex_bytes[] = { 0, 0, 2, 3, 't', '1', 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0 };

static void expect_written(const char *why, const uint8_t *want, size_t want_size, const struct writer *writer)
{
    EXPECT_BYTES(why, want, want_size, writer->data, writer->size);
}

TEST(values_of_the_newer_protocol_are_those_of_kafka)
{
    uint8_t memory[256];
    struct part list[4], nine[2] = { { .index = 1 }, { .index = 4 } };
    struct consumer_group_value group;
    struct consumer_member_value member;
    struct member_standing standing;
    struct regex_value regex;
    struct part_list parts;
    int32_t epoch;

    for (uint32_t i = 0; i < 16; i++) nine[0].topic.bytes[i] = nine[1].topic.bytes[i] = 9;
    EXPECT("an epoch", consumer_group_value_read((struct bytes){ epoch_bytes, sizeof epoch_bytes }, &group));
    EXPECT("its number", group.epoch == 7 && group.hash == 0);
    struct writer writer = writer_of(memory, sizeof memory);
    consumer_group_value_write(&writer, &group);
    expect_written("without a hash", epoch_bytes, sizeof epoch_bytes, &writer);
    EXPECT("with a hash", consumer_group_value_read((struct bytes){ hashed_bytes, sizeof hashed_bytes }, &group));
    EXPECT_EQ("the hash", 258, group.hash);
    writer = writer_of(memory, sizeof memory);
    consumer_group_value_write(&writer, &group);
    expect_written("a hash", hashed_bytes, sizeof hashed_bytes, &writer);

    EXPECT("a member", consumer_member_value_read((struct bytes){ member_bytes, sizeof member_bytes }, &member));
    EXPECT("an instance", bytes_equal(member.instance_id, BYTES_LITERAL("i")) && member.rack.data == NULL);
    EXPECT("two topics", member.topics.count == 2 && member.topics.texts.size == 5 && member.regex.data == NULL);
    EXPECT("an assignor", bytes_equal(member.assignor, BYTES_LITERAL("range")) && member.rebalance_ms == 300);
    static const uint8_t names[] = { 0, 1, 'a', 0, 2, 'b', 'b' };
    member.topics.texts = (struct bytes){ names, sizeof names };
    writer = writer_of(memory, sizeof memory);
    consumer_member_value_write(&writer, &member);
    expect_written("a member", member_bytes, sizeof member_bytes, &writer);
    EXPECT("a classic one in such a group",
           consumer_member_value_read((struct bytes){ tagged_member_bytes, sizeof tagged_member_bytes }, &member));
    EXPECT("its expression", bytes_equal(member.regex, BYTES_LITERAL("*")) && member.topics.count == 0);

    EXPECT("a target", target_member_value_read((struct bytes){ target_bytes, sizeof target_bytes }, list, 4, &parts));
    EXPECT("its partitions", parts_equal(parts, (struct part_list){ nine, 2 }));
    EXPECT("of more than there is room for nothing",
           !target_member_value_read((struct bytes){ target_bytes, sizeof target_bytes }, list, 1, &parts));
    writer = writer_of(memory, sizeof memory);
    target_member_value_write(&writer, (struct part_list){ nine, 2 });
    expect_written("a target", target_bytes, sizeof target_bytes, &writer);
    EXPECT("its epoch", target_value_read((struct bytes){ epoch_bytes, sizeof epoch_bytes }, &epoch) && epoch == 7);
    writer = writer_of(memory, sizeof memory);
    target_value_write(&writer, 7);
    expect_written("its epoch", epoch_bytes, sizeof epoch_bytes, &writer);

    EXPECT("what it has",
           current_member_value_read((struct bytes){ current_bytes, sizeof current_bytes }, list, 4, &standing));
    EXPECT("is to go", standing.phase == MEMBER_UNREVOKED && standing.assigned.count == 0 &&
                           parts_equal(standing.revoking, (struct part_list){ &nine[1], 1 }));
    EXPECT("in its epoch", standing.epoch == 6 && standing.previous_epoch == 5);
    writer = writer_of(memory, sizeof memory);
    current_member_value_write(&writer, &standing);
    expect_written("what it has", current_bytes, sizeof current_bytes, &writer);

    EXPECT("an expression", regex_value_read((struct bytes){ regex_bytes, sizeof regex_bytes }, &regex));
    EXPECT("its topic", regex.topics.count == 1 && regex.version == 8 && regex.time_ms == 9);
    static const uint8_t matched[] = { 0, 2, 't', '1' };
    regex.topics.texts = (struct bytes){ matched, sizeof matched };
    writer = writer_of(memory, sizeof memory);
    regex_value_write(&writer, &regex);
    expect_written("an expression", regex_bytes, sizeof regex_bytes, &writer);
}

TEST(values_that_are_cut_short_are_none)
{
    static const struct {
        const uint8_t *bytes;
        uint32_t size;
    } values[] = { { member_bytes, sizeof member_bytes },
                   { target_bytes, sizeof target_bytes },
                   { current_bytes, sizeof current_bytes },
                   { regex_bytes, sizeof regex_bytes },
                   { hashed_bytes, sizeof hashed_bytes } };
    struct part list[4];

    for (uint32_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (uint32_t size = 0; size < values[i].size; size++) {
            const struct bytes cut = { values[i].bytes, size };
            struct consumer_group_value group;
            struct consumer_member_value member;
            struct member_standing standing;
            struct regex_value regex;
            struct part_list parts;
            const bool read = i == 0   ? consumer_member_value_read(cut, &member)
                              : i == 1 ? target_member_value_read(cut, list, 4, &parts)
                              : i == 2 ? current_member_value_read(cut, list, 4, &standing)
                              : i == 3 ? regex_value_read(cut, &regex)
                                       : consumer_group_value_read(cut, &group);
            EXPECT("cut short", !read);
        }
    }
}
