#include "base/map.h"
#include "base/prng.h"
#include "t.h"

#include <stdlib.h>

static struct map map_of(uint32_t entries_max, enum map_key_words words, uint64_t seed)
{
    struct map map;
    map_init(&map, calloc(1, map_size(entries_max, words)), entries_max, words, seed);
    return map;
}

TEST(map_puts_gets_removes)
{
    struct map map = map_of(2, MAP_KEY_U64, 1);
    uint32_t value = 77;
    EXPECT("empty has nothing", !map_get(&map, map_key_u64(0), &value) && value == 77);
    EXPECT_EQ("zero is a key", MAP_ADDED, map_put(&map, map_key_u64(0), 0));
    EXPECT("zero is a value", map_get(&map, map_key_u64(0), &value) && value == 0);
    EXPECT_EQ("all ones", MAP_ADDED, map_put(&map, map_key_u64(UINT64_MAX), UINT32_MAX));
    EXPECT("all ones", map_get(&map, map_key_u64(UINT64_MAX), &value) && value == UINT32_MAX);
    EXPECT_EQ("full is a verdict", MAP_FULL, map_put(&map, map_key_u64(5), 5));
    EXPECT("and changes nothing", !map_get(&map, map_key_u64(5), &value));
    EXPECT_EQ("a key that is there is replaced, full or not", MAP_REPLACED, map_put(&map, map_key_u64(0), 9));
    EXPECT("replaced", map_get(&map, map_key_u64(0), &value) && value == 9);
    EXPECT("removed", map_remove(&map, map_key_u64(0)));
    EXPECT("once", !map_remove(&map, map_key_u64(0)));
    EXPECT_EQ("room again", MAP_ADDED, map_put(&map, map_key_u64(5), 5));
    map_check(&map);
    free(map.cells);
}

/* A power of two of entries is the case where a table without slack would have no empty cell to end a search. */
TEST(map_when_full_still_answers)
{
    struct map map = map_of(4, MAP_KEY_U64, 1);
    uint32_t value;
    for (uint64_t key = 0; key < 4; key++) EXPECT_EQ("room", MAP_ADDED, map_put(&map, map_key_u64(key), 1));
    EXPECT("a quarter stays empty", map.cell_mask + 1 >= 6);
    for (uint64_t key = 4; key < 40; key++) EXPECT("absent", !map_get(&map, map_key_u64(key), &value));
    free(map.cells);
}

TEST(map_of_ids_looks_at_all_of_the_key)
{
    const struct uuid a = { { [0] = 1 } }, b = { { [15] = 1 } };
    struct map map = map_of(8, MAP_KEY_ID, 1);
    uint32_t value = 0;
    map_put(&map, map_key_id(&a, 0), 10);
    map_put(&map, map_key_id(&a, 1), 11);
    map_put(&map, map_key_id(&b, 0), 20);
    EXPECT("partition 0 of a", map_get(&map, map_key_id(&a, 0), &value) && value == 10);
    EXPECT("partition 1 of a", map_get(&map, map_key_id(&a, 1), &value) && value == 11);
    EXPECT("partition 0 of b", map_get(&map, map_key_id(&b, 0), &value) && value == 20);
    EXPECT("partition 1 of b is not there", !map_get(&map, map_key_id(&b, 1), &value));
    map_check(&map);
    free(map.cells);
}

/* Random puts and removes beside a plain array, in a table that is always nearly full. */
static void map_against_array(enum map_key_words words, uint64_t seed)
{
    enum { KEYS = 64, ROOM = 48 };
    struct map map = map_of(ROOM, words, seed);
    struct prng prng;
    int64_t plain[KEYS];
    uint32_t count = 0, value = 0;

    for (int i = 0; i < KEYS; i++) plain[i] = -1;
    prng_init(&prng, seed, 1);
    for (int step = 0; step < 20000; step++) {
        const uint64_t k = prng_below(&prng, KEYS);
        const struct uuid id = { { [3] = (uint8_t)(k / 8) } };
        const struct map_key key = words == MAP_KEY_U64 ? map_key_u64(k << 40) : map_key_id(&id, (uint32_t)k % 8);
        if (prng_chance(&prng, 2, 5)) {
            EXPECT_EQ("as the array removes", plain[k] >= 0, map_remove(&map, key));
            count -= plain[k] >= 0;
            plain[k] = -1;
        } else {
            const enum map_verdict want = plain[k] >= 0 ? MAP_REPLACED : count == ROOM ? MAP_FULL : MAP_ADDED;
            EXPECT_EQ("as the array puts", want, map_put(&map, key, (uint32_t)step));
            if (want != MAP_FULL) plain[k] = step;
            count += want == MAP_ADDED;
        }
        EXPECT_EQ("as the array has it", plain[k] >= 0, map_get(&map, key, &value));
        if (plain[k] >= 0) EXPECT_EQ("the same value", plain[k], value);
        map_check(&map);
    }
    free(map.cells);
}

TEST(map_agrees_with_an_array)
{
    for (uint64_t seed = 0; seed < 4; seed++) {
        map_against_array(MAP_KEY_U64, seed);
        map_against_array(MAP_KEY_ID, seed);
    }
}

/* Keys that differ only where a weak hash does not look: each such set must still spread. */
TEST(map_spreads_stubborn_keys)
{
    static const struct stride_row {
        const char *why;
        uint64_t stride;
    } rows[] = { { "in a row", 1 }, { "high bits only", UINT64_C(1) << 48 }, { "multiples of the table", 8192 } };
    FOR_EACH(stride_row, row, rows) {
        struct map map = map_of(3000, MAP_KEY_U64, 99);
        uint32_t run = 0, run_max = 0;
        for (uint64_t i = 0; i < 3000; i++) map_put(&map, map_key_u64(i * row->stride), (uint32_t)i);
        for (uint32_t cell = 0; cell <= map.cell_mask; cell++) {
            run = map.cells[cell * 2 + 1] != 0 ? run + 1 : 0;
            if (run > run_max) run_max = run;
        }
        EXPECT(row->why, run_max < 150);
        free(map.cells);
    }
}

struct names {
    struct text_map map;
    const char *names[64];
};

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){ (const uint8_t *)text, (uint32_t)strlen(text) };
}

static uint32_t names_find(const struct names *names, const char *name)
{
    struct text_map_search search;
    for (uint32_t value = text_map_first(&names->map, bytes_of(name), &search); value != TEXT_MAP_NONE;
         value = text_map_next(&names->map, &search)) {
        if (strcmp(names->names[value], name) == 0) return value;
    }
    return TEXT_MAP_NONE;
}

TEST(text_map_finds_names)
{
    static const char *const some[] = { "", "a", "b", "orders", "orders2", "a name longer than a word", "aa" };
    struct names names;
    text_map_init(&names.map, calloc(1, text_map_size(7)), 7, 3);
    for (uint32_t i = 0; i < 7; i++) {
        EXPECT_EQ("not there yet", TEXT_MAP_NONE, names_find(&names, some[i]));
        names.names[i] = some[i];
        EXPECT_EQ("added", MAP_ADDED, text_map_add(&names.map, bytes_of(some[i]), i));
        text_map_check(&names.map);
    }
    for (uint32_t i = 0; i < 7; i++) EXPECT_EQ(some[i], i, names_find(&names, some[i]));
    EXPECT_EQ("full is a verdict", MAP_FULL, text_map_add(&names.map, bytes_of("more"), 7));
    EXPECT("not with another's value", !text_map_remove(&names.map, bytes_of("a"), 2));
    for (uint32_t i = 0; i < 7; i++) {
        EXPECT("removed", text_map_remove(&names.map, bytes_of(some[i]), i));
        EXPECT_EQ("gone", TEXT_MAP_NONE, names_find(&names, some[i]));
        for (uint32_t j = i + 1; j < 7; j++) EXPECT_EQ("the others stay", j, names_find(&names, some[j]));
        text_map_check(&names.map);
    }
    free(names.map.cells);
}

/* Two keys of one hash: both are proposed, each is removed by itself. */
TEST(text_map_proposes_every_candidate)
{
    struct text_map map;
    struct text_map_search search;
    text_map_init(&map, calloc(1, text_map_size(4)), 4, 3);
    text_map_add(&map, bytes_of("twin"), 1);
    text_map_add(&map, bytes_of("twin"), 2);
    EXPECT_EQ("the first", 1, text_map_first(&map, bytes_of("twin"), &search));
    EXPECT_EQ("the second", 2, text_map_next(&map, &search));
    EXPECT_EQ("no third", TEXT_MAP_NONE, text_map_next(&map, &search));
    EXPECT_EQ("asked again, still none", TEXT_MAP_NONE, text_map_next(&map, &search));
    EXPECT("removed", text_map_remove(&map, bytes_of("twin"), 1));
    EXPECT_EQ("the other stays", 2, text_map_first(&map, bytes_of("twin"), &search));
    text_map_check(&map);
    free(map.cells);
}

/* Names that come and go: the table's cells must not silt up, and every search must end. */
TEST(text_map_survives_churn)
{
    static char name[64][12];
    struct names names;
    struct prng prng;
    bool present[64] = { false };
    uint32_t count = 0;

    prng_init(&prng, 8, 8);
    text_map_init(&names.map, calloc(1, text_map_size(48)), 48, 11);
    for (uint32_t i = 0; i < 64; i++) snprintf(name[i], sizeof name[i], "topic-%u", i), names.names[i] = name[i];
    for (int step = 0; step < 20000; step++) {
        const uint32_t i = (uint32_t)prng_below(&prng, 64);
        EXPECT_EQ("as known", present[i] ? i : TEXT_MAP_NONE, names_find(&names, name[i]));
        if (present[i]) {
            EXPECT("removed", text_map_remove(&names.map, bytes_of(name[i]), i));
        } else {
            const enum map_verdict want = count == 48 ? MAP_FULL : MAP_ADDED;
            EXPECT_EQ("added while there is room", want, text_map_add(&names.map, bytes_of(name[i]), i));
            if (want == MAP_FULL) continue;
        }
        count += present[i] ? -1u : 1u;
        present[i] = !present[i];
        text_map_check(&names.map);
    }
    free(names.map.cells);
}
