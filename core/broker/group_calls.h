/* group_calls.h -- what the files of group APIs share: requests that wait for their group.
 *
 * Such a handler asks group_call_waited first: then its request was given to groups_*, and it is ready (or this node
 * stops). Else it reserves its answer, because what it does cannot be done twice, and does it. */
#ifndef CHRONIK_BROKER_GROUP_CALLS_H
#define CHRONIK_BROKER_GROUP_CALLS_H

#include "broker/api.h"
#include "group/groups.h"

/* How long a commit may take: offsets.commit.timeout.ms as Kafka has it. */
enum { COMMIT_TIMEOUT_MS = 5000 };

struct group_caller group_caller_of(struct call *call);

/* Memory for an answer that says no more than so many bytes of its request. False: return CALL_WAITS. */
bool group_call_reserve(struct call *call, uint32_t size);

/* It waits in its group from now on; until when, if it is not answered by then. */
enum call_verdict group_call_wait(struct call *call);
bool group_call_waited(const struct call *call);

/* The answer that is written goes out when its group says so, or is replaced then. */
enum call_verdict group_call_hold(struct call *call);

/* The logs have no room for what it does: it is asked again. */
enum call_verdict group_call_wait_for_room(struct call *call);

/* What became of a commit that was not just committed. */
enum error group_call_outcome(const struct call *call);

#endif
