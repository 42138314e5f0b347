/* The command line, for one who has never seen it: what is wrong is said in one line, and nothing is run. */
#include "t.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/chronik-sim-XXXXXX";

/* What the command says, both ways, is `said`. Returns its exit code, or 1000 and the signal. */
static int run(const char *arguments, char *said, size_t size)
{
    char command[600];

    snprintf(command, sizeof command, "exec $CHRONIK_SIM %s 2>&1", arguments);
    FILE *pipe = popen(command, "r");
    const size_t got = fread(said, 1, size - 1, pipe);
    said[got] = 0;
    while (fgetc(pipe) != EOF) { /* what it says beyond that */
    }
    const int status = pclose(pipe);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    fputs(text, file);
    fclose(file);
}

static void enter(void)
{
    static bool entered;
    if (entered) return;
    entered = true;
    if (mkdtemp(directory) == NULL || chdir(directory) != 0) abort();
    put("old", "chronik-sim schedule 2\n10 kill 1\n");
    put("new", "chronik-sim schedule 9\n");
    put("empty", "");
    put("none", "chronik-sim schedule 3\nset nodes=0\n");
    put("foreign", "Dear reader,\n");
    put("bad", "chronik-sim schedule 3\n10 kill 1 for=ever\n");
    put("calm", "chronik-sim schedule 3\nseed 3\nset nodes=1 joiners=0 chaos_us=100000 records=20\n");
    put("canary", "chronik-sim schedule 3\nseed 4\nset nodes=3 joiners=1 chaos_us=2000000 records=50 canary=2\n"
                  "100000 stall 1 factor=20 for=30000\n150000 kill 2 for=50000\n200000 pause 3 for=40000\n"
                  "400000 power-loss 1..3 loss=mixed for=90000\n500000 reset 1 one-of=2\n600000 kill leader for=70000\n"
                  "800000 partition 2 ways=out for=300000\n900000 kill 3 for=10000\n");
    put("mutant", "chronik-sim schedule 3\nmutant broker_appends_again\nset nodes=1 joiners=0 chaos_us=100000\n");
}

static const struct wrong_row {
    const char *why, *arguments, *said;
} wrong_rows[] = {
    { "nothing is asked", "", "--seed N" },
    { "an option that is none", "--sed 1", "--sed: no such option; --help lists all" },
    { "a word that is none", "42", "42: no such option; --help lists all" },
    { "no value", "--seed", "--seed: needs a value" },
    { "a seed that is none", "--seed 12x", "--seed 12x: a number, or a commit's 40 hexadecimal digits is wanted" },
    { "a seed below zero", "--seed -1", "--seed -1: a number, or a commit's" },
    { "39 digits", "--seed 7a1bc5a7a1bc5a7a1bc5a7a1bc5a7a1bc5a7a1b", "is wanted" },
    { "a range that is none", "--seeds 5", "--seeds 5: a range A..B with A no larger than B is wanted" },
    { "a range that goes down", "--seeds 5..4", "--seeds 5..4: a range" },
    { "no such profile", "--profile big", "--profile big: swarm, lite, calm, scale or raft is wanted" },
    { "more jobs than there can be", "--jobs 65", "--jobs 65: a number of at least 1 and at most 64 is wanted" },
    { "no time", "--time-budget 0", "--time-budget 0: a number of at least 1 is wanted" },
    { "events begin at 1", "--until 0", "--until 0: a number of at least 1 is wanted" },
    { "events begin at 1", "--break 0", "--break 0: a number of at least 1 is wanted" },
    { "too many nodes", "--nodes 20001", "--nodes 20001: a number from 1 to 20000 is wanted" },
    { "an even number of voters", "--voters 2", "--voters: an odd number is wanted" },
    { "more partitions than clients know", "--topics 8 --partitions 9", "more than 64" },
    { "one or many", "--seed 1 --seeds 1..2", "--seed or --seeds, not both" },
    { "a breakpoint of many runs", "--seeds 1..2 --break 5", "--break is for one run: --seed N" },
    { "a trace of many runs", "--seeds 1..2 --trace -", "--trace is for one run: --seed N" },
    { "a schedule of many runs", "--seeds 1..2 --save-schedule x", "--save-schedule is for one run: --seed N" },
    { "a mutant that does not exist", "--seed 1 --mutant nobody", "no mutant nobody here" },
    { "a file that is not there", "--schedule nowhere", "nowhere: No such file" },
    { "a file that cannot be written", "--seed 1 --profile lite --trace nowhere/x", "nowhere/x: No such file" },
    { "a schedule of an older version", "--schedule old", "old: line 1: a schedule of version 2" },
    { "a foreign file", "--schedule foreign", "foreign: line 1: no schedule" },
    { "a fault that is none", "--schedule bad", "bad: line 2: not a fault: 10 kill 1 for=ever" },
    { "said twice, and differently", "--schedule calm --nodes 3", "calm: it says itself what the run is made of" },
    { "what led to an event of many runs", "--seeds 1..2 --why 5", "--why is for one run: --seed N" },
    { "an event that is none", "--why first", "--why first: a number of at least 1 is wanted" },
    { "many runs to be cut down", "--seeds 1..2 --shrink", "--shrink is for one run: --seed N" },
    { "when many runs were decided", "--seeds 1..2 --likelihood", "--likelihood is for one run: --seed N" },
    { "nothing was decided", "--schedule calm --likelihood", "does not fail: nothing was decided" },
    { "both at once", "--seed 1 --shrink --likelihood", "--likelihood: of what --shrink has written, rather" },
    { "nothing to be cut down", "--schedule calm --shrink", "does not fail: there is nothing to cut down" },
    { "no such engine", "--raft theirs", "" },
    { "blocks of one run", "--seed 1 --blocks 3", "--blocks and --results are for the bench: --mutants" },
    { "results of many runs", "--seeds 1..2 --results x", "--blocks and --results are for the bench: --mutants" },
    { "more blocks than there can be", "--mutants --blocks 101", "a number of at least 1 and at most 100 is wanted" },
    { "a bench without mutants is not passed", "--mutants", "no mutants here: they are in chronik-sim-mutants" },
    { "nor is one of the Raft engine", "--raft ours --mutants", "no mutants here: they are in chronik-sim-mutants" },
    { "a mutant of the Raft engine", "--raft ours --mutant nobody", "--mutant: this, or what follows it, is not" },
    { "seeds of it that go down", "--raft ours --seeds 5..4", "--seeds: this, or what follows it, is not" },
    { "a newer schedule", "--schedule new", "new: line 1: a schedule of version 9" },
    { "a file without a line", "--schedule empty", "empty: empty" },
    { "no nodes", "--schedule none", "none: line 2: nodes=0: out of range" },
    { "a hunt has options of its own", "hunt --seed 1", "hunt: --seed: no such option; --help lists all" },
    { "nobody to hunt", "hunt --jobs 0", "hunt: --jobs 0: a number of at least 1 (of jobs, at most 64) is wanted" },
    { "nothing to hunt for", "hunt --mutant nobody", "hunt: no mutant nobody here" },
};

TEST(what_is_wrong_is_said)
{
    enter();
    FOR_EACH(wrong_row, row, wrong_rows) {
        char said[4096];
        const int code = run(row->arguments, said, sizeof said);
        EXPECT_EQ(row->why, 2, code);
        if (strstr(said, row->said) == NULL) EXPECT_TEXT(row->why, row->said, said);
        const bool usage = row->arguments[0] == 0, settings = strncmp(said, "seed=", 5) == 0;
        EXPECT("in one line", usage || settings || row->said[0] == 0 || strchr(said, '\n') == said + strlen(said) - 1);
    }
}

static const struct right_row {
    const char *why, *arguments;
    int code;
    const char *said;
} right_rows[] = {
    { "help", "--help", 0, "--time-budget" },
    { "a commit is a seed", "--profile lite --seed 7a1bc5a7a1bc5a7a1bc5a7a1bc5a7a1bc5a7a1bc", 0, "digest=" },
    { "a run of a schedule", "--schedule calm", 0, "seed=3 faults=0" },
    { "of another seed", "--schedule calm --seed 9", 0, "seed=9 faults=0" },
    { "of many seeds", "--schedule calm --seeds 1..3", 0, "seeds=3 failed=0" },
    { "one of a bug that is not here", "--schedule mutant", 0, "digest=" },
    { "it stops", "--profile lite --seed 1 --until 100", 0, "stopped after event 100" },
    { "for the debugger", "--profile lite --seed 1 --break 50", 1005, "event 50: node" },
    { "how far it is", "--profile lite --seeds 1..3 --progress", 0, "3/3 seeds" },
    { "nothing, if it is no terminal", "--profile lite --seeds 1..3", 0, "seeds=3" },
    { "no more than there is time", "--profile lite --seeds 1..1000000 --time-budget 1", 0, "failed=0" },
    { "what led to the last event", "--profile lite --seed 1 --until 200 --why last", 0, "because: " },
    { "or to another", "--profile lite --seed 1 --until 200 --why 100", 0, "     100 " },
    { "or to one that there is not", "--profile lite --seed 1 --until 200 --why 300", 0, "is not on the tape" },
    { "a failure", "--schedule canary", 129, "breaks canary at" },
    { "a line per event, and how each node stands", "--profile lite --seed 1 --until 200 --trace -", 0, "| n3 " },
    { "and per order", "--profile lite --seed 1 --until 200 --trace - --orders", 0, "     > make directory" },
    { "twice the same", "--profile lite --seeds 1..2 --check", 0, "2 seeds ran twice alike" },
};

TEST(what_is_right_is_done)
{
    enter();
    FOR_EACH(right_row, row, right_rows) {
        char said[8192];
        EXPECT_EQ(row->why, row->code, run(row->arguments, said, sizeof said));
        if (strstr(said, row->said) == NULL) EXPECT_TEXT(row->why, row->said, said);
    }
}

/* What was drawn, written down and run again is the same run. */
TEST(a_saved_schedule_is_the_same_run)
{
    char first[8192], second[8192];

    enter();
    EXPECT_EQ("drawn", 0, run("--seed 5 --profile lite --save-schedule saved", first, sizeof first));
    EXPECT_EQ("and read", 0, run("--schedule saved", second, sizeof second));
    const char *a = strstr(first, "digest="), *b = strstr(second, "digest=");
    EXPECT("the same", a != NULL && b != NULL && memcmp(a, b, 23) == 0);
}

static size_t read_file(const char *name, char *text, size_t size)
{
    FILE *file = fopen(name, "r");
    const size_t got = file == NULL ? 0 : fread(text, 1, size - 1, file);
    if (file != NULL) fclose(file);
    text[got] = 0;
    return got;
}

/* Who watches a run does not change it. */
TEST(a_run_that_is_told_is_the_same_run)
{
    char first[8192], second[8192];

    enter();
    for (int seed = 1; seed <= 4; seed++) {
        char arguments[200];
        snprintf(arguments, sizeof arguments, "--seed %d --profile lite --replicas 3", seed);
        EXPECT_EQ("alone", 0, run(arguments, first, sizeof first));
        snprintf(arguments, sizeof arguments, "--seed %d --profile lite --replicas 3 --trace told --orders", seed);
        EXPECT_EQ("told", 0, run(arguments, second, sizeof second));
        const char *a = strstr(first, "digest="), *b = strstr(second, "digest=");
        EXPECT("the same", a != NULL && b != NULL && memcmp(a, b, 23) == 0);
    }
}

/* Of a failure that takes two crashes, two crashes are left, whoever helps; and it is the same failure. */
TEST(what_fails_is_cut_down)
{
    char said[8192], first[8192], second[8192];

    enter();
    EXPECT_EQ("it fails", 129, run("--schedule canary --shrink --save-schedule small", said, sizeof said));
    EXPECT("two faults are left", strstr(said, "faults=2 of 8 ") != NULL);
    EXPECT("of one node", strstr(said, " nodes=1 ") != NULL);
    EXPECT("the story ends with the judge", strstr(said, "the judge: canary: crash number 2") != NULL);
    EXPECT("and has the faults", strstr(said, "fault: kill") != NULL);
    EXPECT_EQ("with help", 129, run("--schedule canary --shrink --jobs 3 --save-schedule again", said, sizeof said));
    EXPECT("there is something", read_file("small", first, sizeof first) > 100);
    read_file("again", second, sizeof second);
    EXPECT_TEXT("the same", first, second);
    EXPECT_EQ("it still fails", 129, run("--schedule small", said, sizeof said));
    EXPECT("in the same way", strstr(said, "breaks canary at") != NULL);
}

/* Effort is spent, and then it is over: what is there by then is written. */
TEST(little_effort_cuts_little)
{
    char said[8192];

    enter();
    EXPECT_EQ("it fails", 129, run("--schedule canary --shrink --effort 8 --save-schedule some", said, sizeof said));
    EXPECT_EQ("and still does", 129, run("--schedule some", said, sizeof said));
}

/* The canary fails with the second crash, and the crashes are data: every future of it fails alike. */
TEST(when_it_was_decided_is_the_same_whoever_helps)
{
    static char first[8192], second[8192];

    enter();
    EXPECT_EQ("it fails", 129, run("--schedule canary --likelihood --effort 50", first, sizeof first));
    EXPECT_EQ("with help", 129, run("--schedule canary --likelihood --effort 50 --jobs 3", second, sizeof second));
    const char *end = strstr(first, "effort="), *other_end = strstr(second, "effort=");
    EXPECT("a curve each", end != NULL && other_end != NULL && end - first == other_end - second);
    if (end != NULL) EXPECT("and the same", memcmp(first, second, (size_t)(end - first)) == 0);
    EXPECT("what it is about", strstr(first, "how likely was it by then? canary: ") == first);
    EXPECT("when", strstr(first, "decided between event ") != NULL);
    EXPECT("no point at which it was open", strstr(first, " 0/") == NULL);
}
