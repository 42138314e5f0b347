#include "sim/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char options_usage[] =
    "chronik-sim: runs the core of chronik-server against a simulated disk, network and clock\n"
    "\n"
    "  --seed N             one run, with its story if it fails\n"
    "  --seeds A..B         many runs; stops at the first that fails\n"
    "  --jobs J             so many at once (1)\n"
    "  --keep-going         counts failures instead of stopping\n"
    "  --time-budget S      ends after S seconds\n"
    "  --check              runs each seed twice and compares event by event\n"
    "  --trace FILE         one line per event and order ('-': standard output)\n"
    "  --schedule FILE      these faults instead of those the seed would draw\n"
    "  --save-schedule FILE writes the faults of --seed\n"
    "  --report             how often each fault met each state that a node can be in\n"
    "  --mutant NAME        with a known bug (chronik-sim-mutants only)\n"
    "  --raft ENGINE        members of one Raft group instead of a node; --raft ours --help\n"
    "  --mutants            every known bug, and the seeds it takes to find it (chronik-sim-mutants only)\n"
    "\n"
    "What a run is made of is drawn from its seed, unless it is said here:\n"
    "  --profile NAME       swarm: whatever is drawn (the default); lite: 3 nodes, and little to do;\n"
    "                       calm: 5 nodes, and nothing goes wrong; scale: 1,000 nodes\n"
    "  --nodes N, --voters N, --topics N, --partitions N, --clients N\n"
    "  --replicas N         topics with up to N replicas of each partition, and what goes with them; else one\n"
    "\n"
    "exit: 0 passed, 2 usage, 127 crash, 128 no rest, 129 wrong, 130 not deterministic\n";

static const char *const profiles[PROFILE_COUNT] = { "swarm", "lite", "calm", "scale" };

static bool number(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0;
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
    return NULL;
}

static const char **word_of(struct options *options, const char *name)
{
    if (strcmp(name, "--trace") == 0) return &options->trace;
    if (strcmp(name, "--schedule") == 0) return &options->schedule;
    if (strcmp(name, "--save-schedule") == 0) return &options->save_schedule;
    if (strcmp(name, "--mutant") == 0) return &options->mutant;
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
    { "--clients", offsetof(struct wishes, clients), JUDGED_PRODUCERS_MAX },
};

static uint32_t *wish_at(struct wishes *wishes, const struct wish_name *name)
{
    return (uint32_t *)(void *)((char *)wishes + name->offset);
}

static bool set_value(struct options *options, const char *name, const char *value)
{
    const char **text = word_of(options, name);
    uint64_t amount;

    if (text != NULL) {
        *text = value;
        return true;
    }
    if (strcmp(name, "--seed") == 0) {
        const bool good = seed_of(value, &options->seed_first);
        options->seed_last = options->seed_first;
        return good;
    }
    if (strcmp(name, "--seeds") == 0) return range(value, options);
    if (strcmp(name, "--time-budget") == 0) return number(value, &options->seconds_max);
    if (strcmp(name, "--profile") == 0) return profile_of(value, &options->wishes.profile);
    if (strcmp(name, "--jobs") == 0) {
        return number(value, &options->jobs) && options->jobs > 0 && options->jobs <= JOBS_MAX;
    }
    for (uint32_t i = 0; i < COUNT_OF(wish_names); i++) {
        if (strcmp(name, wish_names[i].name) != 0) continue;
        if (!number(value, &amount) || amount == 0 || amount > wish_names[i].max) return false;
        *wish_at(&options->wishes, &wish_names[i]) = (uint32_t)amount;
        return true;
    }
    return false;
}

bool options_parse(int argc, char **argv, struct options *options, const char **odd)
{
    *options = (struct options){ .jobs = 1, .seed_first = 1, .seed_last = 1 };
    for (int i = 1; i < argc; i++) {
        bool *flag = flag_of(options, argv[i]);
        *odd = argv[i];
        if (flag != NULL) *flag = true;
        else if (i + 1 == argc || !set_value(options, *odd, argv[++i])) return false;
    }
    const uint64_t targets = (uint64_t)MAX(options->wishes.topics, 1U) * options->wishes.partitions;
    *odd = "--partitions of all --topics";
    if (targets > TARGETS_MAX) return false;
    *odd = "--voters, which are odd";
    return options->wishes.voters == 0 || options->wishes.voters % 2 == 1;
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
