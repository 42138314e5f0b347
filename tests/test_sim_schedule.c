/* A schedule is text that people read and cut: what is written is what was meant, and nothing else is understood. */
#include "sim/plan.h"
#include "t.h"

#include <stdlib.h>
#include <unistd.h>

static const struct line_row {
    const char *why;
    const char *line, *again; /* NULL: it is as it was; "": it is not understood */
} line_rows[] = {
    { "a machine and how long", "1000 kill 3 for=200", NULL },
    { "several, as a run", "1000 kill 2..5 for=200", NULL },
    { "and here and there", "1000 partition 1,4..5 ways=out channels=node+wal for=400000", NULL },
    { "words for what has words", "7 power-loss 1 loss=mixed dark=1 aim=rename for=9", NULL },
    { "whoever leads", "1000 kill leader for=200", NULL },
    { "somebody else", "1000 kill others for=200", NULL },
    { "below zero", "1000 clock-step 1 seconds=-12", NULL },
    { "what is left out is 0", "1000 stop 1", NULL },
    { "what is 0 is left out", "1000 stop 1 breaks=0 for=0", "1000 stop 1" },
    { "the first word of a list is 0", "1000 power-loss 1 loss=all", "1000 power-loss 1" },
    { "no such kind", "1000 explode 1", "" },
    { "no such argument", "1000 kill 1 loss=mixed", "" },
    { "no such word", "1000 power-loss 1 loss=much", "" },
    { "two words where one is meant", "1000 power-loss 1 loss=none+mixed", "" },
    { "no such aim", "1000 kill 1 aim=well", "" },
    { "nobody", "1000 kill", "" },
    { "machines begin at 1", "1000 kill 0", "" },
    { "a run goes up", "1000 kill 4..2", "" },
    { "no time", "kill 1", "" },
    { "a number with something behind it", "1000 kill 1 for=20x", "" },
};

TEST(lines)
{
    FOR_EACH(line_row, row, line_rows) {
        struct fault fault;
        char text[256] = "";
        if (fault_parse(row->line, &fault)) fault_format(&fault, text, sizeof text);
        EXPECT_TEXT(row->why, row->again == NULL ? row->line : row->again, text);
    }
}

static bool read_text(const char *text, struct plan *plan, char problem[PROBLEM_SIZE])
{
    char path[] = "/tmp/schedule-XXXXXX";
    const int fd = mkstemp(path);
    const bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    problem[0] = 0;
    const bool good = written && plan_read(plan, path, problem);
    unlink(path);
    return good;
}

#define FIRST "chronik-sim schedule 3\n"

static const struct file_row {
    const char *why;
    const char *text;
    uint32_t count, settings;
    const char *problem; /* NULL: none; else its end */
} file_rows[] = {
    { "the version, then faults", FIRST "10 kill 1 for=1\n20 stop 1\n", 2, 0, NULL },
    { "comments and empty lines", FIRST "# why\n\n10 kill 1 for=1\n", 1, 0, NULL },
    { "lines that another system ended", "chronik-sim schedule 3\r\n10 kill 1 for=1\r\n", 1, 0, NULL },
    { "nothing goes wrong", FIRST, 0, 0, NULL },
    { "what the run is made of", FIRST "seed 7\nset nodes=3 joiners=0\nset records=10\n10 kill 1\n", 1, 3, NULL },
    { "what it shows", FIRST "mutant m\nbreaks O12 if %d is lost\n", 0, 0, NULL },
    { "an older version", "chronik-sim schedule 2\n10 kill 1\n", 0, 0,
      ": line 1: a schedule of version 2, and this is version 3: run its seed with --save-schedule" },
    { "a newer version", "chronik-sim schedule 4\n", 0, 0, ": line 1: a schedule of version 4, and this is version 3" },
    { "another file", "10 kill 1\n", 0, 0, ": line 1: no schedule: its first line is not 'chronik-sim schedule 3'" },
    { "nothing at all", "", 0, 0, ": empty" },
    { "the line that is wrong is named", FIRST "10 kill 1\n10 bill 1\n", 0, 0, ": line 3: not a fault: 10 bill 1" },
    { "a seed that is none", FIRST "seed 12x\n", 0, 0, ": line 2: not a seed: 12x" },
    { "a seed below zero", FIRST "seed -1\n", 0, 0, ": line 2: not a seed: -1" },
    { "no such setting", FIRST "set colour=3\n", 0, 0, ": line 2: colour=3: no such setting" },
    { "a setting without a number", FIRST "set nodes=\n", 0, 0, ": line 2: nodes=: not a number" },
    { "a number with something behind it", FIRST "set nodes=3x\n", 0, 0, ": line 2: nodes=3x: not a number" },
    { "more than there can be", FIRST "set nodes=4000000000\n", 0, 0, ": line 2: nodes=4000000000: out of range" },
    { "less than there can be", FIRST "set consumers=0\n", 0, 0, ": line 2: consumers=0: out of range" },
    { "twice", FIRST "set nodes=3 nodes=4\n", 0, 0, ": line 2: nodes=4: given twice" },
    { "an even number of voters", FIRST "set voters=2\n", 0, 0,
      ": no run can be made of it: an even number of voters" },
    { "replicas that know no minimum", FIRST "set nodes=3 replicas=3\n", 0, 0,
      ": no run can be made of it: replicas without min_isr and lag_ms" },
    { "more clients than are known", FIRST "set producers=32 idempotent_producers=32 consumers=32\n", 0, 0,
      ": no run can be made of it: more clients than the judge can know" },
    { "more partitions than are known", FIRST "set topics=8 partitions=9\n", 0, 0,
      ": no run can be made of it: more partitions than a client can know" },
};

TEST(files)
{
    static struct plan plan;

    FOR_EACH(file_row, row, file_rows) {
        char problem[PROBLEM_SIZE];
        const bool good = read_text(row->text, &plan, problem);
        const size_t end = row->problem == NULL ? 0 : strlen(row->problem);
        EXPECT_EQ(row->why, row->problem == NULL, good);
        EXPECT_TEXT(row->why, row->problem == NULL ? "" : row->problem,
                    strlen(problem) < end ? problem : problem + strlen(problem) - end);
        if (!good) continue;
        EXPECT_EQ(row->why, row->count, plan.schedule.count);
        EXPECT_EQ(row->why, row->settings, plan.settings.count);
    }
}

/* Whatever bytes a file has, it is refused or read: it never ends the program. */
TEST(files_that_are_bent)
{
    static struct plan plan;
    static const char whole[] = FIRST "seed 7\nmutant m\nbreaks O12 x\nset nodes=3 records=10\n"
                                      "10 partition 1,4..5 ways=out channels=node+wal for=400000\n";
    struct prng prng;

    prng_init(&prng, 1, 1);
    for (int round = 0; round < 3000; round++) {
        char text[sizeof whole], problem[PROBLEM_SIZE];
        memcpy(text, whole, sizeof whole);
        for (uint64_t bent = 1 + prng_below(&prng, 3); bent > 0; bent--) {
            text[prng_below(&prng, sizeof whole - 1)] = (char)(1 + prng_below(&prng, 255));
        }
        const bool good = read_text(text, &plan, problem);
        EXPECT("it says why, in one line", good == (problem[0] == 0) && strchr(problem, '\n') == NULL);
    }
}

TEST(what_is_written_is_read)
{
    static struct plan plan, again;
    char path[] = "/tmp/schedule-XXXXXX", problem[PROBLEM_SIZE];

    close(mkstemp(path));
    for (uint64_t seed = 1; seed <= 20; seed++) {
        plan = (struct plan){ .seed = seed, .mutant = "m", .breaks = { "O1", "it was %d" }, .wishes.replicas = 3 };
        plan_fix(&plan);
        EXPECT("written", plan_write(&plan, path, "two\nlines"));
        EXPECT("read", plan_read(&again, path, problem));
        plan.wishes = again.wishes; /* they have become settings */
        EXPECT("the same", memcmp(&plan.settings, &again.settings, sizeof plan.settings) == 0);
        EXPECT("the same faults", plan.schedule.count == again.schedule.count);
        EXPECT("the same failure", memcmp(&plan.breaks, &again.breaks, sizeof plan.breaks) == 0);
        EXPECT_EQ("the same seed", seed, again.seed);
    }
    unlink(path);
}

TEST(what_a_seed_draws_can_be_written_and_read)
{
    static struct schedule schedule;
    struct fault_rates rates = { .aimed = true };

    for (uint32_t kind = 0; kind < FAULT_COUNT; kind++) rates.per_100_s[kind] = 400;
    for (uint32_t machines = 1; machines <= 1000; machines = machines * 3 + 2) {
        schedule_draw(&schedule, machines, &rates, machines, machines, 50 * 1000, 8000 * 1000);
        EXPECT("there is much of it", schedule.count > 300);
        for (uint32_t i = 0; i < schedule.count; i++) {
            char text[256], again[256];
            struct fault fault;
            fault_format(&schedule.list[i], text, sizeof text);
            EXPECT(text, fault_parse(text, &fault));
            fault_format(&fault, again, sizeof again);
            EXPECT_TEXT("the same", text, again);
        }
    }
}

TEST(a_kind_that_is_switched_off_leaves_the_others_where_they_were)
{
    static struct schedule all, some;
    struct fault_rates rates = { .per_100_s = { [FAULT_KILL] = 300, [FAULT_RESET] = 300 } };
    uint32_t at = 0;

    schedule_draw(&all, 5, &rates, 5, 5, 0, 8000 * 1000);
    rates.per_100_s[FAULT_RESET] = 0;
    schedule_draw(&some, 5, &rates, 5, 5, 0, 8000 * 1000);
    for (uint32_t i = 0; i < all.count; i++) {
        if (all.list[i].kind != FAULT_KILL) continue;
        EXPECT("the same kills", at < some.count && all.list[i].time_us == some.list[at].time_us);
        at++;
    }
    EXPECT_EQ("and no others", some.count, at);
}
