/* raft_measure.h -- how much a group of five commits, and how soon: virtual time, a network and disks without faults.
 *
 * A batch of four entries is offered every 0.2 ms, 20,000 entries a second. An engine that takes no more just now is
 * asked again when something has happened, for all that waits. A disk makes a round durable in 0.1 to 0.2 ms; what
 * comes meanwhile shares the next. Latency is from the offer to its application by the leader. */
#ifndef CHRONIK_SIM_RAFT_MEASURE_H
#define CHRONIK_SIM_RAFT_MEASURE_H

#include "sim/raft_world.h"

enum { RAFT_MEASURE_BATCH = 4 };

struct raft_measured {
    double commits_per_s;
    double latency_p50_ms, latency_p99_ms;
    double cpu_us; /* of all five and of the network's model, per committed entry */
};

void raft_measure(const struct raft_engine *engine, uint32_t guards, uint64_t delay_ns, uint32_t seconds,
                  struct raft_measured *measured);

#endif
