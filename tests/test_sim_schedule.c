/* A schedule is text that people read and cut: what is written is what was meant, and nothing else is understood. */
#include "sim/schedule.h"
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

static bool read_text(const char *text, struct schedule *schedule, uint32_t *line)
{
    char path[] = "/tmp/schedule-XXXXXX";
    const int fd = mkstemp(path);
    const bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    const bool good = written && schedule_read(schedule, path, line);
    unlink(path);
    return good;
}

static const struct file_row {
    const char *why;
    const char *text;
    bool good;
    uint32_t line, count;
} file_rows[] = {
    { "the version, then faults", "chronik-sim schedule 2\n10 kill 1 for=1\n20 stop 1\n", true, 3, 2 },
    { "comments and empty lines", "chronik-sim schedule 2\n# why\n\n10 kill 1 for=1\n", true, 4, 1 },
    { "nothing goes wrong", "chronik-sim schedule 2\n", true, 1, 0 },
    { "another version", "chronik-sim schedule 3\n10 kill 1\n", false, 1, 0 },
    { "no version", "10 kill 1\n", false, 1, 0 },
    { "nothing at all", "", false, 0, 0 },
    { "the line that is wrong is named", "chronik-sim schedule 2\n10 kill 1\n10 bill 1\n", false, 3, 1 },
};

TEST(files)
{
    static struct schedule schedule;

    FOR_EACH(file_row, row, file_rows) {
        uint32_t line;
        EXPECT_EQ(row->why, row->good, read_text(row->text, &schedule, &line));
        EXPECT_EQ(row->why, row->line, line);
        EXPECT_EQ(row->why, row->count, schedule.count);
    }
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
