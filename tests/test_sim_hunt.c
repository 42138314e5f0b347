/* What a hunt keeps: figures add up, equal failures are one, and lines that are not ours are counted and no more. */
#include "t.h"
#include "sim/hunt_store.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hunt_failure failed(const char *rule, const char *place, uint64_t seed, uint64_t events)
{
    struct hunt_failure failure = { .kind = HUNT_three, .seed = seed, .events = events };

    snprintf(failure.failure.rule, sizeof failure.failure.rule, "%s", rule);
    snprintf(failure.failure.place, sizeof failure.failure.place, "%s", place);
    snprintf(failure.story, sizeof failure.story, "seed %llu, \"so\" \\ it was\n<b>", (unsigned long long)seed);
    return failure;
}

static const struct sort_row {
    const char *why, *rule, *place;
    uint64_t seed, events;
    bool news;      /* worth to be told */
    uint32_t sorts; /* so many there are then */
    uint64_t kept;  /* the seed that stands for this sort */
} sort_rows[] = {
    { "the first", "O1", "lost %d", 5, 900, true, 1, 5 },
    { "the same, and longer", "O1", "lost %d", 6, 1000, false, 1, 5 },
    { "the same, and shorter", "O1", "lost %d", 7, 100, true, 1, 7 },
    { "as long", "O1", "lost %d", 8, 100, false, 1, 7 },
    { "the same rule elsewhere", "O1", "changed %d", 9, 50, true, 2, 9 },
    { "another rule there", "O2", "lost %d", 10, 50, true, 3, 10 },
};

TEST(equal_failures_are_one)
{
    struct hunt_store store;

    hunt_store_init(&store);
    FOR_EACH(sort_row, row, sort_rows) {
        const struct hunt_failure failure = failed(row->rule, row->place, row->seed, row->events);
        EXPECT_EQ(row->why, row->news, hunt_store_failure(&store, &failure));
        EXPECT_EQ(row->why, row->sorts, store.failure_count);
        bool kept = false;
        for (uint32_t i = 0; i < store.failure_count; i++) kept |= store.failures[i].seed == row->kept;
        EXPECT(row->why, kept);
    }
    EXPECT_EQ("all of them are counted", 4, store.failures[0].count);
    hunt_store_free(&store);
}

TEST(failures_are_bounded)
{
    struct hunt_store store;

    hunt_store_init(&store);
    for (uint64_t i = 0; i < HUNT_FAILURES_MAX + 7; i++) {
        char place[32];
        snprintf(place, sizeof place, "place %llu", (unsigned long long)i);
        const struct hunt_failure failure = failed("O1", place, i, 1);
        hunt_store_failure(&store, &failure);
    }
    EXPECT_EQ("no more than there is room for", HUNT_FAILURES_MAX, store.failure_count);
    EXPECT_EQ("the others are counted", 7, store.failures_dropped);
    hunt_store_free(&store);
}

/* What is written is read, by a hunt that goes on or one that merges. */
TEST(lines_come_back)
{
    struct hunt_store store;
    const struct hunt_failure failure = failed("O12", "if %d is lost", 17, 4711);
    const struct hunt_figures figures = { 40, 3, 123456, 41, 2.5, 60.5 };
    char *line = NULL;
    size_t size = 0;
    FILE *file = tmpfile();

    hunt_write_runs(file, HUNT_five, &figures);
    hunt_write_runs(file, HUNT_five, &figures);
    hunt_write_failure(file, &failure);
    hunt_write_failure(file, &failure);
    hunt_write_canary(file, true);
    hunt_write_canary(file, false);
    rewind(file);
    hunt_store_init(&store);
    while (getline(&line, &size, file) > 0) hunt_store_line(&store, line);
    EXPECT_EQ("all are understood", 0, store.odd_lines);
    EXPECT_EQ("runs add up", 80, store.figures[HUNT_five].runs);
    EXPECT_EQ("so do events", 246912, store.figures[HUNT_five].events);
    EXPECT("and hours", store.figures[HUNT_five].seconds == 5.0 && store.figures[HUNT_five].sim_seconds == 121.0);
    EXPECT_EQ("the next seed does not", 41, store.figures[HUNT_five].next);
    EXPECT_EQ("one failure", 1, store.failure_count);
    EXPECT_EQ("twice", 2, store.failures[0].count);
    EXPECT_TEXT("its story", failure.story, store.failures[0].story);
    EXPECT_TEXT("its place", failure.failure.place, store.failures[0].failure.place);
    EXPECT_EQ("its seed", 17, store.failures[0].seed);
    EXPECT_EQ("canaries", 2, store.canaries);
    EXPECT_EQ("of which one was missed", 1, store.canaries_missed);
    hunt_store_free(&store);
    free(line);
    fclose(file);
}

static const struct odd_row {
    const char *why, *line;
} odd_rows[] = {
    { "nothing", "" },
    { "no object", "hello" },
    { "cut off by a crash", "{\"what\":\"runs\",\"kind\":\"five\",\"ru" },
    { "cut off in a string", "{\"what\":\"failure\",\"kind\":\"five\",\"rule\":\"O1\",\"place\":\"x}" },
    { "cut off in an escape", "{\"what\":\"failure\",\"kind\":\"five\",\"rule\":\"\\u00\"}" },
    { "no such kind", "{\"what\":\"runs\",\"kind\":\"nine\",\"runs\":1}" },
    { "no such thing", "{\"what\":\"walks\",\"kind\":\"five\"}" },
    { "a failure of no rule", "{\"what\":\"failure\",\"kind\":\"five\",\"seed\":1}" },
};

TEST(odd_lines_are_counted)
{
    FOR_EACH(odd_row, row, odd_rows) {
        struct hunt_store store;
        hunt_store_init(&store);
        hunt_store_line(&store, row->line);
        EXPECT_EQ(row->why, 1, store.odd_lines);
        EXPECT_EQ(row->why, 0, store.failure_count + store.figures[HUNT_five].runs);
        hunt_store_free(&store);
    }
}

TEST(the_page_says_what_there_is)
{
    static char page[20000];
    struct hunt_store store;
    const struct hunt_failure failure = failed("O12", "x", 17, 4711);
    FILE *file = fmemopen(page, sizeof page, "w");

    hunt_store_init(&store);
    hunt_store_failure(&store, &failure);
    hunt_store_line(&store, "{\"what\":\"canary\",\"found\":false}");
    hunt_write_page(file, &store);
    fclose(file);
    EXPECT("the failure", strstr(page, "seed 17, \"so\" \\ it was\n&lt;b>") != NULL);
    EXPECT("how it is shown", strstr(page, "chronik-sim --seed 17 --nodes 3 --shrink") != NULL);
    EXPECT("that the canary was missed", strstr(page, "<b class=\"bad\">1 were missed</b>") != NULL);
    hunt_store_free(&store);
}

/* ---- the command ---- */

static int command(const char *arguments)
{
    char line[400];
    snprintf(line, sizeof line, "$CHRONIK_SIM hunt %s >said.txt 2>&1", arguments);
    const int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void read_results(struct hunt_store *store)
{
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen("found/results.jsonl", "r");

    hunt_store_init(store);
    while (file != NULL && getline(&line, &size, file) > 0) hunt_store_line(store, line);
    if (file != NULL) fclose(file);
    free(line);
}

TEST(a_hunt_goes_on_where_it_ended)
{
    char directory[] = "/tmp/chronik-hunt-XXXXXX";
    struct hunt_store first, second;

    if (mkdtemp(directory) == NULL || chdir(directory) != 0) abort();
    EXPECT_EQ("for a second", 0, command("--dir found --time-budget 1 --canary-every 1000 --first-seed 500"));
    read_results(&first);
    EXPECT_EQ("the canary is the first", 1, first.canaries);
    EXPECT_EQ("and found", 0, first.canaries_missed);
    EXPECT("somebody ran", first.figures[HUNT_single].runs > 0 && first.figures[HUNT_single].next > 500);
    EXPECT_EQ("another second", 0, command("--dir found --time-budget 1 --canary-every 1000"));
    read_results(&second);
    EXPECT_EQ("all is understood", 0, second.odd_lines);
    uint64_t before = 0, after = 0;
    for (uint32_t i = 0; i < HUNT_KINDS; i++) {
        before += first.figures[i].runs;
        after += second.figures[i].runs;
        EXPECT("no seed twice", second.figures[i].next >= first.figures[i].next);
    }
    EXPECT("more than before", after > before);
    EXPECT("a page", access("found/index.html", R_OK) == 0 && access("found/failures.jsonl", R_OK) == 0);
    EXPECT_EQ("made anew", 0, command("--dir found --page"));
    hunt_store_free(&first);
    hunt_store_free(&second);
}

static const struct wrong_row {
    const char *why, *arguments;
} wrong_rows[] = {
    { "no such option", "--fast" },      { "no number", "--jobs many" },   { "too many jobs", "--jobs 65" },
    { "no time", "--time-budget 0" },    { "nothing behind it", "--dir" }, { "no such bug", "--mutant nobody" },
    { "below zero", "--first-seed -1" },
};

TEST(what_is_wrong_is_said)
{
    FOR_EACH(wrong_row, row, wrong_rows) EXPECT_EQ(row->why, 2, command(row->arguments));
}
