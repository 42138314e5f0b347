#include "sim/raft_engine.h"

#include <string.h>

const struct raft_engine raft_engine_ours = { .name = "ours",
                                              .joint = true,
                                              .leased = true,
#define X(door) .door = raft_##door,
                                              EACH_RAFT_DOOR(X)
#undef X
};

const struct raft_engine *raft_engine_named(const char *name)
{
    if (strcmp(name, "ours") == 0) return &raft_engine_ours;
    return NULL;
}
