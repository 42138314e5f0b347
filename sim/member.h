/* member.h -- what the two kinds of members of consumer groups have in common: member.c speaks the classic protocol,
 * newer.c the newer one (KIP-848). */
#ifndef CHRONIK_SIM_MEMBER_H
#define CHRONIK_SIM_MEMBER_H

#include "codec/messages.h"
#include "sim/client.h"

#include <string.h>

static inline struct bytes sim_text(const char *string)
{
    return (struct bytes){ (const uint8_t *)string, (uint32_t)strlen(string) };
}

/* ---- member.c ---- */

/* Between these two a question to its coordinator is written, whose answer it awaits. */
struct writer *member_ask(struct run *run, struct client *client, struct session *session, int16_t api,
                          int16_t version);
void member_asked(struct run *run, struct session *session);

/* A new number for some of what it has, in this generation or epoch; and what is committed. */
void member_commit(struct run *run, struct client *client, struct session *session, int32_t generation);
void member_fetch(struct run *run, struct client *client, struct session *session);

/* What an error means for what it does next. */
void member_heed(struct run *run, struct client *client, int16_t error);

/* Another process, which knows nothing of the one before. */
void member_begin_anew(struct run *run, struct client *client);

/* ---- newer.c ---- */

/* A process begins. */
void newer_begin(struct client *client);
void newer_join(struct run *run, struct client *client, struct session *session);
void newer_own(struct run *run, struct client *client, struct session *session);
void newer_on_beat(struct run *run, struct client *client, const struct consumer_group_heartbeat_response *heard);

/* An answer does not come. */
void newer_on_silence(struct client *client);

/* It is none any more, and has nothing. */
void newer_on_fenced(struct run *run, struct client *client);

/* All members are in one epoch, with all there is in equal parts, and nobody has anything to give up. */
bool newer_rests(const struct run *run, const struct client *client);

#endif
