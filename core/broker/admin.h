/* admin.h -- what the files of administrative APIs share: names that come twice, messages that outlive the decision,
 * and what is said when nothing is decided.
 *
 * Such a handler reads its request and gives it to call_wish; on the leader it then decides all that the request asks
 * for into one draft, and writes the answer. */
#ifndef CHRONIK_BROKER_ADMIN_H
#define CHRONIK_BROKER_ADMIN_H

#include "broker/api.h"
#include "controller/controller.h"

enum { ADMIN_TIMEOUT_MS = 30000 }; /* of requests that name none; what clients take for granted */

/* For each name whether another one of the list is the same; NULL: the arena is exhausted. A null name is like no
 * other. */
const bool *admin_repeated(struct call *call, const struct bytes *names, uint32_t count);

/* A copy in the arena; null if the message is empty. */
struct bytes admin_message(struct call *call, const struct text *message);

/* The bytes of a C string that nobody will change. */
struct bytes admin_words(const char *words);

/* Something in the request has to wait for this index, and the rest with it. */
enum call_verdict admin_wait(struct call *call, uint64_t index);

/* Words for call->refusal; null where the code says all. */
struct bytes admin_refusal(const struct call *call);

/* The APIs whose handlers call call_wish. */
bool admin_changes_metadata(int16_t api_key);

#endif
