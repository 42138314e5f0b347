/* admin.h -- what the files of administrative APIs share: names that come twice, messages that outlive the decision,
 * and the way from a draft to an answer.
 *
 * Such a handler decides all wishes of its request into one draft, builds the answer, and then in this order: measures
 * it, admin_reserve, admin_propose, writes it. So an answer has its memory before anything is changed, and goes out
 * when the image holds the change. */
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

/* Begins a draft. A wish that has to wait ends the handler with admin_wait, and the draft with it. */
void admin_begin(struct call *call);
enum call_verdict admin_wait(struct call *call, uint64_t index, int32_t timeout_ms);

/* Memory for the answer that was measured. False: return CALL_WAITS. */
bool admin_reserve(struct call *call, const struct writer *measured);

/* Proposes the draft. CALL_WAITS: return it, nothing was proposed. Else write the answer and return this. */
enum call_verdict admin_propose(struct call *call, int32_t timeout_ms);

#endif
