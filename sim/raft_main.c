#include "sim/raft_main.h"

#include "sim/mutants.h"
#include "sim/raft_forced.h"
#include "sim/raft_hunt.h"
#include "sim/raft_measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PASSED = 0, USAGE = 2, CRASH = 127, LIVENESS = 128, CORRECTNESS = 129, NONDETERMINISM = 130 };
enum { RAFT_GUARDS_ALL = UINT32_MAX };

struct options {
    struct raft_hunt_plan plan;
    bool many, check, mutants, story, compare, measure;
    const char *mutant;
    char flags[128]; /* for a replay */
};

static const char usage[] =
    "chronik-sim --raft ENGINE, --profile raft: members of one Raft group, and nothing of a broker\n"
    "\n"
    "  --raft ours|canonical  the engine (ours)\n"
    "  --guards MASK          canonical: only these of its guards (all)\n"
    "  --seed N               one run\n"
    "  --seeds A..B           many runs; stops at the first that fails\n"
    "  --jobs J               so many at once (1)\n"
    "  --keep-going           counts failures instead of stopping\n"
    "  --voters N             so many (1 to 7, drawn)\n"
    "  --static               nobody joins, leaves or loses his disk\n"
    "  --lies                 messages are bent; nodes keep their own promises and live\n"
    "  --chaos-ms MS          of trouble before all is healed (10000)\n"
    "  --story                a line per message and note\n"
    "  --check                runs each seed twice and compares call by call\n"
    "  --compare              on schedules that leave no choice: as the other engine commits, so must this one\n"
    "  --measure              what a group of five commits at 0.5, 5 and 20 ms one way\n"
    "  --mutant NAME, --mutants   as without --raft\n"
    "\n"
    "exit: 0 passed, 2 usage, 127 crash, 128 no rest, 129 wrong, 130 not deterministic\n";

static const char *program = "chronik-sim";
static char replay_flags[128];

bool raft_main_is_asked(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--raft") == 0) return true;
        if (strcmp(argv[i], "--profile") == 0 && i + 1 < argc && strcmp(argv[i + 1], "raft") == 0) return true;
    }
    return false;
}

bool raft_main_replay(void)
{
    if (raft_hunt_running() == 0) return false;
    fprintf(stderr, "replay: %s%s --seed %" PRIu64 "\n", program, replay_flags, raft_hunt_running());
    return true;
}

static void print_line(const char *line)
{
    puts(line);
}

/* ---- results ---- */

static int code_of(const char *violation)
{
    if (violation[0] == 0) return PASSED;
    if (strncmp(violation, "L:", 2) == 0) return LIVENESS;
    if (strncmp(violation, "crash", 5) == 0 || strncmp(violation, "hang", 4) == 0) return CRASH;
    return CORRECTNESS;
}

static void print_stats(const struct raft_world_stats *stats)
{
    printf("steps=%" PRIu64 " messages=%" PRIu64 " commits=%" PRIu64 " reads=%" PRIu64 " elections=%" PRIu64
           " crashes=%" PRIu64 " wipes=%" PRIu64 " rewinds=%" PRIu64 " forgot=%" PRIu64 " cuts=%" PRIu64
           " stalls=%" PRIu64 " handovers=%" PRIu64 "\n",
           stats->steps, stats->messages, stats->commits, stats->reads, stats->elections, stats->crashes, stats->wipes,
           stats->rewinds, stats->forgot, stats->cuts, stats->stalls, stats->handovers);
    printf("changes=%" PRIu64 " joint=%" PRIu64 " rollbacks=%" PRIu64 " truncations=%" PRIu64 " taken=%" PRIu64
           " installs=%" PRIu64 " chunks=%" PRIu64 " impossible=%" PRIu64 "\n",
           stats->changes, stats->joint, stats->rollbacks, stats->truncations, stats->taken, stats->installs,
           stats->chunks, stats->impossible);
}

static int run_one(const struct options *options)
{
    struct raft_hunt_result result;

    raft_hunt_one(&options->plan.chaos, options->plan.seed_first, &result);
    if (result.run.violation[0] != 0) {
        fprintf(stderr, "seed %" PRIu64 " at %.3f s: %s\nreplay: %s%s --seed %" PRIu64 "\n", result.seed,
                (double)result.run.now_ns / 1e9, result.run.violation, program, options->flags, result.seed);
    }
    printf("digest=%016" PRIx64 "\n", result.run.digest);
    print_stats(&result.run.stats);
    return code_of(result.run.violation);
}

static int run_many(const struct options *options)
{
    struct raft_hunt hunt;

    if (!raft_hunt_seeds(&options->plan, &hunt)) {
        fprintf(stderr, "%s: %s\n", program, strerror(errno));
        return CRASH;
    }
    for (uint32_t i = 0; i < hunt.rule_count; i++) {
        printf("broken: %s %" PRIu64 "\n", hunt.rules[i].rule, hunt.rules[i].count);
    }
    print_stats(&hunt.stats);
    printf("seeds=%" PRIu64 " failed=%" PRIu64 " digest=%016" PRIx64 " seeds/s=%.1f steps/s=%.0f\n", hunt.done,
           hunt.failed, hunt.digest, (double)hunt.done / hunt.seconds, (double)hunt.stats.steps / hunt.seconds);
    return hunt.failed == 0 ? PASSED : code_of(hunt.first.run.violation);
}

/* ---- twice the same? ---- */

static int check_seed(const struct options *options, uint64_t seed)
{
    struct raft_hunt_result result;
    FILE *digests[2] = { tmpfile(), tmpfile() };
    uint64_t a = 0, b = 0, call = 0;
    bool same, more;

    if (digests[0] == NULL || digests[1] == NULL) return CRASH;
    for (int i = 0; i < 2; i++) {
        struct raft_chaos_options chaos = options->plan.chaos;
        chaos.digests = digests[i];
        raft_hunt_one(&chaos, seed, &result);
        rewind(digests[i]);
    }
    do {
        more = fread(&a, sizeof a, 1, digests[0]) == 1;
        same = (fread(&b, sizeof b, 1, digests[1]) == 1) == more && a == b;
        call++;
    } while (more && same);
    fclose(digests[0]);
    fclose(digests[1]);
    if (same) return code_of(result.run.violation);
    fprintf(stderr, "seed %" PRIu64 " is not deterministic: call %" PRIu64 " differs\n", seed, call);
    return NONDETERMINISM;
}

static int check_seeds(const struct options *options)
{
    for (uint64_t seed = options->plan.seed_first; seed <= options->plan.seed_last; seed++) {
        const int code = check_seed(options, seed);
        if (code != PASSED) return code;
    }
    printf("%" PRIu64 " seeds ran twice alike\n", options->plan.seed_last - options->plan.seed_first + 1);
    return PASSED;
}

/* ---- one engine against the other ---- */

static int compare_seeds(const struct options *options)
{
    const struct raft_engine *other = &raft_engine_ours;
    uint64_t values = 0;

    for (uint64_t seed = options->plan.seed_first; seed <= options->plan.seed_last; seed++) {
        const struct raft_chaos_options *chaos = &options->plan.chaos;
        struct raft_forced ours, theirs;
        raft_forced_run(other, 0, seed, NULL, &ours);
        raft_forced_run(chaos->engine, chaos->guards, seed, chaos->print, &theirs);
        const char *violation = ours.violation[0] != 0 ? ours.violation : theirs.violation;
        values += ours.values;
        if (violation[0] == 0 && ours.digest == theirs.digest) continue;
        fprintf(stderr, "seed %" PRIu64 ": %s: %s has %u values and %u lists, %s %u and %u\n", seed, violation,
                other->name, ours.values, ours.lists, chaos->engine->name, theirs.values, theirs.lists);
        return CORRECTNESS;
    }
    printf("seeds=%" PRIu64 " values=%" PRIu64 ": %s and %s committed the same\n",
           options->plan.seed_last - options->plan.seed_first + 1, values, other->name,
           options->plan.chaos.engine->name);
    return PASSED;
}

static int measure(const struct options *options)
{
    static const uint64_t delays_ns[] = { MS / 2, 5 * MS, 20 * MS };

    for (size_t i = 0; i < COUNT_OF(delays_ns); i++) {
        struct raft_measured measured;
        raft_measure(options->plan.chaos.engine, options->plan.chaos.guards, delays_ns[i], 2, &measured);
        printf("delay_us=%" PRIu64 " commits/s=%.0f latency_p50_ms=%.2f\n", delays_ns[i] / 1000, measured.commits_per_s,
               measured.latency_p50_ms);
    }
    return PASSED;
}

/* ---- the bench of mutants ---- */

static int mutant_bench(const struct options *options)
{
    uint32_t wrong = 0;

    if (raft_mutant_count == 0) {
        fprintf(stderr, "%s: no mutants here: they are in chronik-sim-mutants\n", program);
        return USAGE;
    }
    printf("%-6s %-8s %-14s %6s %7s %8s %8s  %s\n", "mutant", "verdict", "rule", "seeds", "budget", "reached",
           "seconds", "bug");
    for (uint32_t i = 0; i < raft_mutant_count; i++) {
        const struct raft_mutant *mutant = &raft_mutants[i];
        struct raft_hunt_plan plan = options->plan;
        struct raft_hunt hunt;
        plan.quiet = true;
        plan.keep_going = false;
        plan.seed_last = plan.seed_first + mutant->seeds_max - 1;
        mutant_choose(mutant->name);
        if (!raft_hunt_seeds(&plan, &hunt)) return CRASH;
        const bool died = hunt.failed > 0;
        const char *rule = died ? hunt.rules[0].rule : "-";
        printf("%-6s %-8s %-14s %6" PRIu64 " %7u %8" PRIu64 " %8.1f  %s\n", mutant->name, died ? "killed" : "survived",
               rule, hunt.done, mutant->seeds_max, hunt.reached, hunt.seconds, mutant->bug);
        fflush(stdout);
        if (died == (mutant->fate == LIVES)) wrong++;
    }
    mutant_choose(NULL);
    printf("%u passed, %u failed\n", raft_mutant_count - wrong, wrong);
    return wrong == 0 ? PASSED : 1;
}

/* ---- the command line ---- */

static bool number(const char *text, uint64_t max, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == 0 && *value <= max;
}

static bool range(const char *text, struct raft_hunt_plan *plan)
{
    char first[32];
    const char *dots = strstr(text, "..");
    if (dots == NULL || (size_t)(dots - text) >= sizeof first) return false;
    memcpy(first, text, (size_t)(dots - text));
    first[dots - text] = 0;
    return number(first, UINT64_MAX, &plan->seed_first) && number(dots + 2, UINT64_MAX, &plan->seed_last) &&
           plan->seed_first <= plan->seed_last;
}

/* A flag without a value. */
static bool plain(const char *name, struct options *options)
{
    if (strcmp(name, "--static") == 0) return options->plan.chaos.fixed = true;
    if (strcmp(name, "--lies") == 0) return options->plan.chaos.lies = true;
    if (strcmp(name, "--check") == 0) return options->check = true;
    if (strcmp(name, "--keep-going") == 0) return options->plan.keep_going = true;
    if (strcmp(name, "--mutants") == 0) return options->mutants = true;
    if (strcmp(name, "--compare") == 0) return options->compare = true;
    if (strcmp(name, "--measure") == 0) return options->measure = true;
    if (strcmp(name, "--story") == 0) return options->story = true;
    return false;
}

static bool valued(const char *name, const char *text, struct options *options)
{
    struct raft_hunt_plan *plan = &options->plan;
    uint64_t value;

    if (strcmp(name, "--profile") == 0) return strcmp(text, "raft") == 0;
    if (strcmp(name, "--raft") == 0) return (plan->chaos.engine = raft_engine_named(text)) != NULL;
    if (strcmp(name, "--mutant") == 0) return mutant_choose(options->mutant = text);
    if (strcmp(name, "--seeds") == 0) return options->many = range(text, plan);
    if (!number(text, UINT64_MAX, &value)) return false;
    if (strcmp(name, "--seed") == 0) plan->seed_first = plan->seed_last = value;
    else if (strcmp(name, "--guards") == 0) plan->chaos.guards = (uint32_t)value;
    else if (strcmp(name, "--jobs") == 0 && value > 0 && value <= RAFT_JOBS_MAX) plan->jobs = (uint32_t)value;
    else if (strcmp(name, "--voters") == 0 && value <= RAFT_VOTERS_MAX) plan->chaos.voters = (uint32_t)value;
    else if (strcmp(name, "--chaos-ms") == 0) plan->chaos.time_ms = value;
    else return false;
    return true;
}

/* NULL, or the word that is not understood. */
static const char *parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){ .plan = { .seed_first = 1, .seed_last = 1, .jobs = 1 } };
    options->plan.chaos.engine = &raft_engine_ours;
    options->plan.chaos.guards = RAFT_GUARDS_ALL;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const bool alone = plain(name, options);
        if (!alone && (i + 1 == argc || !valued(name, argv[i + 1], options))) return name;
        const bool seeds = strncmp(name, "--seed", 6) == 0 || strcmp(name, "--jobs") == 0;
        const size_t used = strlen(options->flags);
        if (!seeds && used + 64 < sizeof options->flags) {
            snprintf(options->flags + used, sizeof options->flags - used, " %s%s%.30s", name, alone ? "" : " ",
                     alone ? "" : argv[i + 1]);
        }
        if (!alone) i++;
    }
    return NULL;
}

int raft_main(int argc, char **argv)
{
    struct options options;

    program = argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) return fputs(usage, stdout), PASSED;
    }
    const char *odd = parse(argc, argv, &options);
    if (odd != NULL) {
        fprintf(stderr,
                "%s: %s: this, or what follows it, is not understood or not in this build; --raft ours --help\n",
                program, odd);
        return USAGE;
    }
    memcpy(replay_flags, options.flags, sizeof replay_flags);
    if (options.story) options.plan.chaos.print = print_line;
    if (options.mutants) return mutant_bench(&options);
    if (options.compare) return compare_seeds(&options);
    if (options.measure) return measure(&options);
    if (options.check) return check_seeds(&options);
    return options.many ? run_many(&options) : run_one(&options);
}
