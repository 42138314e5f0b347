#include "sim/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char options_usage[] =
    "chronik-sim: runs the core of chronik-server against a simulated disk, network and clock\n"
    "\n"
    "  --seed N             one run, with its story if it fails; N is a number or a commit's 40 hexadecimal digits\n"
    "  --seeds A..B         many runs; stops at the first that fails\n"
    "  --jobs J             so many at once (1)\n"
    "  --keep-going         counts failures instead of stopping\n"
    "  --time-budget S      ends after S seconds\n"
    "  --progress           a line that tells how far it is, even where no terminal is\n"
    "  --check              runs each seed twice and compares event by event\n"
    "  --trace FILE         one line per event, with how every node stands ('-': standard output); or, by its end,\n"
    "                       .html: a timeline for any browser, .json: for ui.perfetto.dev, .shiviz: for ShiViz\n"
    "  --orders             a trace as text has a line for each order, too\n"
    "  --why EVENT          what led to an event of --seed, and to that, and so on; 'last': to the last one\n"
    "  --until EVENT        ends after that event\n"
    "  --break EVENT        raises SIGTRAP before that event: gdb --args chronik-sim --seed N --break EVENT\n"
    "  --schedule FILE      the faults of a file, and whatever else it says, instead of what the seed would draw\n"
    "  --save-schedule FILE writes the run of --seed as such a file\n"
    "  --shrink             cuts a run that fails down to what is needed for it, writes that as such a file\n"
    "                       (--save-schedule, or shrunk-SEED), and tells what happens in it\n"
    "  --likelihood         of a run that fails: by which event did other futures of it fail alike?\n"
    "  --effort N           of shrinking (2000) or of that (40000), in thousands of events\n"
    "  --report             how often each fault met each state that a node can be in\n"
    "  --mutant NAME        with a known bug (chronik-sim-mutants only)\n"
    "  hunt                 as the first word: runs of every kind for hours, and a page of results; hunt --help\n"
    "  --raft ENGINE        members of one Raft group instead of a node; --raft ours --help\n"
    "  --mutants            every known bug, or the one of --mutant, and the seeds it takes to find it\n"
    "                       (chronik-sim-mutants only); --seeds is the first block of them\n"
    "  --blocks N           of seeds for each of them: least, median and 95th percentile, and what is left of a run\n"
    "  --results FILE       a line of JSON for each; those that are in it already are not run again\n"
    "\n"
    "What a run is made of is drawn from its seed, unless it is said here:\n"
    "  --profile NAME       swarm: whatever is drawn (the default); lite: 3 nodes, and little to do;\n"
    "                       calm: 5 nodes, and nothing goes wrong; scale: 1,000 nodes\n"
    "  --nodes N, --voters N, --topics N, --partitions N, --clients N\n"
    "  --replicas N         topics with up to N replicas of each partition, and what goes with them; else one\n"
    "  --moves N            of 100 times, administrators move a partition, or have all of them rebalanced\n"
    "  --observers N        so many of the nodes observe\n"
    "  --members N          so many members of consumer groups\n"
    "  --disasters N        so often all nodes but one are lost for ever, and it goes on alone\n"
    "\n"
    "exit: 0 passed, 2 usage, 127 crash, 128 no rest, 129 wrong, 130 not deterministic\n";

static const char *const profiles[PROFILE_COUNT] = { "swarm", "lite", "calm", "scale" };

static bool number(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == 0;
}

static bool range(const char *text, struct options *options)
{
    char first[32];
    const char *dots = strstr(text, "..");
    if (dots == NULL || (size_t)(dots - text) >= sizeof first) return false;
    memcpy(first, text, (size_t)(dots - text));
    first[dots - text] = 0;
    options->many = true;
    return number(first, &options->seed_first) && number(dots + 2, &options->seed_last) &&
           options->seed_first <= options->seed_last;
}

/* A seed is a number, or a commit's 40 hexadecimal digits. */
static bool seed_of(const char *text, uint64_t *seed)
{
    if (strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40) {
        *seed = 0;
        for (int i = 0; i < 40; i++) *seed = *seed * 31 + (uint64_t)text[i];
        return true;
    }
    return number(text, seed);
}

static bool profile_of(const char *text, enum profile *profile)
{
    uint32_t which = 0;
    while (which < PROFILE_COUNT && strcmp(profiles[which], text) != 0) which++;
    *profile = (enum profile)which;
    return which < PROFILE_COUNT;
}

/* Those without a value. */
static bool *flag_of(struct options *options, const char *name)
{
    if (strcmp(name, "--check") == 0) return &options->check;
    if (strcmp(name, "--keep-going") == 0) return &options->keep_going;
    if (strcmp(name, "--mutants") == 0) return &options->mutants;
    if (strcmp(name, "--report") == 0) return &options->report;
    if (strcmp(name, "--progress") == 0) return &options->progress;
    if (strcmp(name, "--shrink") == 0) return &options->shrink;
    if (strcmp(name, "--likelihood") == 0) return &options->likelihood;
    if (strcmp(name, "--orders") == 0) return &options->orders;
    return NULL;
}

static const char **word_of(struct options *options, const char *name)
{
    if (strcmp(name, "--trace") == 0) return &options->trace;
    if (strcmp(name, "--schedule") == 0) return &options->schedule;
    if (strcmp(name, "--save-schedule") == 0) return &options->save_schedule;
    if (strcmp(name, "--mutant") == 0) return &options->mutant;
    if (strcmp(name, "--results") == 0) return &options->results;
    return NULL;
}

/* What the seed would draw, and how much of it there may be. */
static const struct wish_name {
    const char *name;
    size_t offset;
    uint32_t max;
} wish_names[] = {
    { "--nodes", offsetof(struct wishes, nodes), NODES_MAX },
    { "--voters", offsetof(struct wishes, voters), 7 },
    { "--topics", offsetof(struct wishes, topics), TOPICS_MAX },
    { "--partitions", offsetof(struct wishes, partitions), TARGETS_MAX },
    { "--replicas", offsetof(struct wishes, replicas), 7 },
    { "--moves", offsetof(struct wishes, moves), 100 },
    { "--observers", offsetof(struct wishes, observers), 8 },
    { "--members", offsetof(struct wishes, members), 32 },
    { "--disasters", offsetof(struct wishes, disasters), 3 },
    { "--clients", offsetof(struct wishes, clients), JUDGED_PRODUCERS_MAX },
};

static uint32_t *wish_at(struct wishes *wishes, const struct wish_name *name)
{
    return (uint32_t *)(void *)((char *)wishes + name->offset);
}

static const char *set_seeds(struct options *options, const char *name, const char *value)
{
    if (strcmp(name, "--seeds") == 0) return range(value, options) ? "" : "a range A..B with A no larger than B";
    options->seed_given = true;
    const bool good = seed_of(value, &options->seed_first);
    options->seed_last = options->seed_first;
    return good ? "" : "a number, or a commit's 40 hexadecimal digits";
}

/* Numbers of the command itself; NULL: it is none. */
static uint64_t *amount_of(struct options *options, const char *name, uint64_t *most)
{
    *most = UINT64_MAX;
    if (strcmp(name, "--time-budget") == 0) return &options->seconds_max;
    if (strcmp(name, "--until") == 0) return &options->until;
    if (strcmp(name, "--break") == 0) return &options->stop_at;
    if (strcmp(name, "--effort") == 0) return &options->effort;
    if (strcmp(name, "--why") == 0) return &options->why;
    *most = BLOCKS_MAX;
    if (strcmp(name, "--blocks") == 0) return &options->blocks;
    *most = JOBS_MAX;
    return strcmp(name, "--jobs") == 0 ? &options->jobs : NULL;
}

/* "": done; NULL: there is no such option; else what its value is to be. */
static const char *set_value(struct options *options, const char *name, const char *value)
{
    static char wanted[64];
    const char **text = word_of(options, name);
    uint64_t most, amount, *into = amount_of(options, name, &most);

    if (text != NULL) *text = value;
    if (text != NULL) return "";
    if (strcmp(name, "--seed") == 0 || strcmp(name, "--seeds") == 0) return set_seeds(options, name, value);
    if (strcmp(name, "--profile") == 0) {
        return profile_of(value, &options->wishes.profile) ? "" : "swarm, lite, calm, scale or raft";
    }
    if (into == &options->why && strcmp(value, "last") == 0) {
        options->why = UINT64_MAX;
        return "";
    }
    if (into != NULL) {
        if (number(value, into) && *into > 0 && *into <= most) return "";
        if (most == UINT64_MAX) return "a number of at least 1";
        snprintf(wanted, sizeof wanted, "a number of at least 1 and at most %u", (unsigned)most);
        return wanted;
    }
    for (uint32_t i = 0; i < COUNT_OF(wish_names); i++) {
        if (strcmp(name, wish_names[i].name) != 0) continue;
        snprintf(wanted, sizeof wanted, "a number from 1 to %u", wish_names[i].max);
        if (!number(value, &amount) || amount == 0 || amount > wish_names[i].max) return wanted;
        *wish_at(&options->wishes, &wish_names[i]) = (uint32_t)amount;
        return "";
    }
    return NULL;
}

/* What cannot be had together. NULL: nothing. */
static const char *contradiction(const struct options *options)
{
    const uint64_t targets = (uint64_t)MAX(options->wishes.topics, 1U) * options->wishes.partitions;
    const bool one = !options->many && !options->check && !options->mutants;

    if (targets > TARGETS_MAX) return "--partitions of all --topics: more than 64";
    if (options->wishes.voters != 0 && options->wishes.voters % 2 == 0) return "--voters: an odd number is wanted";
    if (!options->mutants && (options->blocks != 0 || options->results != NULL)) {
        return "--blocks and --results are for the bench: --mutants";
    }
    if (options->seed_given && options->many) return "--seed or --seeds, not both";
    if (!one && options->stop_at != 0) return "--break is for one run: --seed N";
    if (!one && options->why != 0) return "--why is for one run: --seed N";
    if (!one && options->trace != NULL) return "--trace is for one run: --seed N";
    if (!one && options->shrink) return "--shrink is for one run: --seed N";
    if (!one && options->likelihood) return "--likelihood is for one run: --seed N";
    if (options->shrink && options->likelihood) return "--likelihood: of what --shrink has written, rather";
    if (!one && options->save_schedule != NULL) return "--save-schedule is for one run: --seed N";
    return NULL;
}

bool options_parse(int argc, char **argv, struct options *options, char problem[PROBLEM_SIZE])
{
    *options = (struct options){ .jobs = 1, .seed_first = 1, .seed_last = 1 };
    for (int i = 1; i < argc; i++) {
        bool *flag = flag_of(options, argv[i]);
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (flag != NULL) *flag = true;
        if (flag != NULL) continue;
        const char *wanted = set_value(options, name, value == NULL ? "" : value);
        if (wanted == NULL) {
            snprintf(problem, PROBLEM_SIZE, "%.60s: no such option; --help lists all", name);
        } else if (value == NULL) {
            snprintf(problem, PROBLEM_SIZE, "%.60s: needs a value", name);
        } else if (wanted[0] != 0) {
            snprintf(problem, PROBLEM_SIZE, "%s %.60s: %s is wanted", name, value, wanted);
        } else {
            i++;
            continue;
        }
        return false;
    }
    const char *odd = contradiction(options);
    if (odd != NULL) snprintf(problem, PROBLEM_SIZE, "%s", odd);
    return odd == NULL;
}

void options_format_wishes(const struct wishes *wishes, char *text, uint32_t size)
{
    struct wishes copy = *wishes;
    uint32_t used = 0;

    text[0] = 0;
    if (wishes->profile != PROFILE_SWARM) {
        used = (uint32_t)snprintf(text, size, " --profile %s", profiles[wishes->profile]);
    }
    for (uint32_t i = 0; i < COUNT_OF(wish_names) && used < size; i++) {
        const uint32_t amount = *wish_at(&copy, &wish_names[i]);
        if (amount != 0) used += (uint32_t)snprintf(text + used, size - used, " %s %u", wish_names[i].name, amount);
    }
}
