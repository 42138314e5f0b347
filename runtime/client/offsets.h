/* offsets.h -- which offsets a topic's partitions have at a time, asked of their leaders. */
#ifndef CHRONIK_RUNTIME_CLIENT_OFFSETS_H
#define CHRONIK_RUNTIME_CLIENT_OFFSETS_H

#include "runtime/client/client.h"

enum { OFFSETS_LATEST = -1, OFFSETS_EARLIEST = -2, OFFSETS_NOT_ASKED = -100 };

struct offsets_asked {
    int64_t timestamp; /* in ms, or one of the above */
    int64_t offset;    /* the answer; -1: none, or not known */
    int16_t error;
};

/* Fills in the answers, one for each of the topic's partitions; what is not to be had stays as it is. False: not all
 * are known. */
bool offsets_ask(struct client *client, const struct client_topic *topic, struct offsets_asked *asked);

#endif
