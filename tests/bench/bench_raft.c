/* bench_raft.c -- the Raft engines beside each other: five voters, a batch of four entries every 0.2 ms (raft_measure.h
 * says how it is measured). */
#include "base/check.h"
#include "sim/raft_measure.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECONDS = 10 };

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, what);
    abort();
}

int main(void)
{
    static const uint64_t delays_ns[] = { MS / 2, 5 * MS, 20 * MS };
    static const char *const names[] = { "ours", "canonical" };

    printf("five voters, a batch of %d every 0.2 ms; one-way delay is the column's up to twice that\n",
           RAFT_MEASURE_BATCH);
    printf("engine      delay ms    commits/s  latency p50 ms     p99 ms  us per commit\n");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct raft_engine *engine = raft_engine_named(names[i]);
        if (engine == NULL) printf("%s: not in this build (libraft-dev 0.15)\n", names[i]);
        for (size_t j = 0; engine != NULL && j < COUNT_OF(delays_ns); j++) {
            struct raft_measured measured;
            raft_measure(engine, UINT32_MAX, delays_ns[j], SECONDS, &measured);
            printf("%-10s %9.1f %12.0f %15.2f %10.2f %14.2f\n", names[i], (double)delays_ns[j] / 1e6,
                   measured.commits_per_s, measured.latency_p50_ms, measured.latency_p99_ms, measured.cpu_us);
        }
    }
    return 0;
}
