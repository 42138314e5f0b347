/* bench_raft.c -- how much a group of five commits, and how soon: virtual time on a network and disks without faults.
 *
 * A batch of four entries is proposed every 0.2 ms, 20,000 entries a second. A disk makes a round durable in 0.1 to
 * 0.2 ms; what comes meanwhile shares the next. Latency is from the proposal to its application by the leader. The last
 * column is what the engine costs: processor time of all five and of the network's model, per committed entry. */
#include "raft_world.h"

#include <time.h>

enum { SECONDS = 10, BATCH = 4, SAMPLES_MAX = SECONDS * 5000 };

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, what);
    abort();
}

/* t.h's tests are not used here. */
void test_register(struct test *test)
{
    (void)test;
}

static double cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double latencies_ms[SAMPLES_MAX];

static struct node *wait_for_leader(struct world *world)
{
    while (world_leader(world) == NULL || !world_is_at_rest(world)) world_run(world, world->now_ns + MS);
    return world_leader(world);
}

static void measure(uint64_t delay_ns)
{
    const struct world_config config = {
        .seed = 1, .voters = 5, .nodes = 5, .delay_ns = delay_ns, .disk_ns = MS / 10, .ordered = true, .roomy = true
    };
    struct world *world = world_new(&config);
    struct node *leader = wait_for_leader(world);
    struct waiting {
        uint64_t index, at_ns;
    } *waiting = calloc(SAMPLES_MAX, sizeof *waiting);
    uint32_t first = 0, count = 0, samples = 0;
    const uint64_t begin_ns = world->now_ns, begin_index = leader->applied;
    const double cpu_begin_ns = cpu_ns();

    for (uint64_t next_ns = begin_ns; next_ns < begin_ns + SECONDS * 1000 * MS; next_ns += MS / 5) {
        while (world->queue_count > 0 && world->queue[0].at_ns <= next_ns) {
            world_run(world, world->queue[0].at_ns);
            for (; first < count && waiting[first].index <= leader->applied; first++) {
                latencies_ms[samples++] = (double)(world->now_ns - waiting[first].at_ns) / 1e6;
            }
        }
        world->now_ns = next_ns;
        if (world_propose(world, leader, BATCH) != RAFT_ACCEPTED) continue;
        waiting[count++] = (struct waiting){ raft_last_index(leader->raft), next_ns };
        if (leader->applied > 100000 && raft_term_at(leader->raft, leader->applied - 50000) != 0) {
            for (uint32_t i = 0; i < config.nodes; i++) {
                struct raft *raft = world->nodes[i].raft;
                if (raft_commit_index(raft) <= raft_first_index(raft) + 50000) continue;
                raft_on_snapshot_taken(raft, raft_commit_index(raft), 100);
                raft_compact(raft, raft_commit_index(raft) - 20000);
            }
        }
    }
    const double cpu_us = (cpu_ns() - cpu_begin_ns) / 1e3;
    const uint64_t committed = leader->applied - begin_index;
    qsort(latencies_ms, samples, sizeof *latencies_ms, compare);
    printf("%8.1f %12.0f %14.2f %10.2f %14.2f\n", (double)delay_ns / 1e6, (double)committed / SECONDS,
           samples > 0 ? latencies_ms[samples / 2] : 0, samples > 0 ? latencies_ms[samples * 99 / 100] : 0,
           cpu_us / (double)MAX(committed, 1));
    if (world->violation[0] != 0) printf("%s\n", world->violation);
    free(waiting);
    world_free(world);
}

int main(void)
{
    static const uint64_t delays_ns[] = { MS / 2, 5 * MS, 20 * MS };
    printf("five voters, a batch of %d every 0.2 ms; one-way delay is the column's up to twice that\n", BATCH);
    printf("delay ms    commits/s  latency p50 ms     p99 ms  us per commit\n");
    for (size_t i = 0; i < sizeof delays_ns / sizeof *delays_ns; i++) measure(delays_ns[i]);
    return 0;
}
