/* owned.h -- what an owner (owner.c) knows of its topic: what must be there, what may be, and what must not. */
#ifndef CHRONIK_SIM_OWNED_H
#define CHRONIK_SIM_OWNED_H

#include "sim/client.h"

/* A topic is about to be made: nothing is in it, and these settings are drawn for it. */
void owned_begin(struct ownership *own, struct prng *prng);

/* It is there, as far as anybody knows. And whether whom we asked had to know that: of an earlier topic of that name he
 * may not have heard yet that it is gone. */
void owned_is_made(const struct run *run, struct ownership *own);
bool owned_was_known(const struct ownership *own, const struct asked *asked);

/* Nothing that was asked for before could still happen to the next topic of that name. */
bool owned_is_certain(const struct ownership *own);

/* Its records may be lost, by what happened to disks. */
bool owned_is_forgiven(const struct run *run, const struct client *client);

/* Whether that machine leads it, as far as anybody has applied the metadata log; in which epoch. */
bool owned_leads(const struct run *run, const struct client *client, uint32_t machine, int32_t *epoch);

/* Whether that machine itself knows that another one leads it, or nobody; and since which epoch. */
bool owned_is_led_elsewhere(const struct run *run, const struct client *client, uint32_t number, int32_t *epoch);

/* A question goes out: what is known by now, the answer has to know. */
void owned_remember(struct ownership *own);

/* Asks for another value of a setting, which is returned; and that was done. */
bool owned_is_usual(const struct ownership *own, enum owned_setting_kind kind); /* the default, as far as it shows */
int32_t owned_set(struct ownership *own, enum owned_setting_kind kind);
void owned_is_set(const struct run *run, struct ownership *own, enum owned_setting_kind kind);

/* The connection to that machine is gone: what was on its way is in doubt. */
void owned_is_lost(struct ownership *own, uint32_t machine);

/* What it was told, held against what it knows. */
void owned_is_written(struct run *run, struct client *client, uint64_t number,
                      const struct produce_response_partition *said, const struct asked *asked);
void owned_is_trimmed(struct run *run, struct client *client, int64_t low_watermark);
void owned_is_listed(struct run *run, struct client *client, int64_t offset, int64_t time_ms);
void owned_is_read(struct run *run, struct client *client, struct bytes records);

/* That was all there is. */
void owned_is_all(struct run *run, struct client *client);
void owned_forget_seen(struct ownership *own);

#endif
