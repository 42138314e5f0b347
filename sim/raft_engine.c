#include "sim/raft_engine.h"

#include <string.h>

#ifdef CHRONIK_CANONICAL
#include "raft/canonical/canonical.h"
#endif

const struct raft_engine raft_engine_ours = { .name = "ours",
                                              .joint = true,
                                              .recalls = true,
                                              .leased = true,
#define X(door) .door = raft_##door,
                                              EACH_RAFT_DOOR(X)
#undef X
};

#ifdef CHRONIK_CANONICAL
static const struct raft_engine canonical = { .name = "canonical",
                                              .set_guards = canonical_set_guards,
#define X(door) .door = canonical_##door,
                                              EACH_RAFT_DOOR(X)
#undef X
};
#endif

const struct raft_engine *raft_engine_named(const char *name)
{
#ifndef CHRONIK_RAFT_IS_CANONICAL /* -Draft=canonical: then these doors are the other's */
    if (strcmp(name, "ours") == 0) return &raft_engine_ours;
#endif
#ifdef CHRONIK_CANONICAL
    if (strcmp(name, "canonical") == 0) return &canonical;
#endif
    return NULL;
}
