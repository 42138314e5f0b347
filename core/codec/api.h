/* api.h -- which APIs there are, in which versions, and which header their frames carry.
 *
 * Everything here is driven by one table, generated from core/codec/schema: ApiVersions answers what it advertises,
 * and no other place knows a version range.
 *
 *   served      what we read, handle and write.
 *   advertised  what ApiVersions tells. It may begin lower than served, where clients draw conclusions from the lower
 *               end; it never ends higher. An API that is not advertised is not there for a client. */
#ifndef CHRONIK_CODEC_API_H
#define CHRONIK_CODEC_API_H

#include "codec/messages.h"

struct api {
    int16_t key;
    const char *name; /* as in the schema: "produce" */
    int16_t served_min, served_max;
    bool advertised;
    int16_t advertised_min, advertised_max; /* if advertised */
    int16_t flexible_min;                   /* first flexible version; INT16_MAX: none is */
};

extern const struct api api_table[API_COUNT]; /* by rising key */

/* NULL if we have never heard of it. */
const struct api *api_find(int16_t key);

/* Kafka's request headers:
 *
 *   v1   api_key int16, api_version int16, correlation_id int32, client_id nullable string
 *   v2   the same and tagged fields, for flexible versions; client_id keeps its older encoding
 *
 * (v0, without a client_id, was only ever ControlledShutdown's.) */
struct request_header {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct bytes client_id; /* may be null */
};

enum header_verdict {
    HEADER_SERVED,           /* the body follows, in a version that is ours */
    HEADER_UNSERVED_VERSION, /* ApiVersions: answer version 0 with error 35; else close the connection */
    HEADER_UNADVERTISED,     /* as served, but not there for clients: close the connection of one */
    HEADER_UNKNOWN_API,      /* not ours: close the connection */
    HEADER_MALFORMED,        /* close the connection */
};

/* Reads a header. api_key and api_version are known unless malformed, the correlation id unless the API is unknown;
 * in a version that we do not serve, client_id is null if it could not be read. */
enum header_verdict request_header_read(struct reader *reader, struct request_header *header);

/* The other side's. The API must be in our table. */
void request_header_write(struct writer *writer, const struct request_header *header);

/* Kafka's response headers: v0 is the correlation id, v1 adds tagged fields for flexible versions. ApiVersions always
 * answers with v0: its client may not know yet which versions we speak. The API must be in our table. */
void response_header_write(struct writer *writer, int16_t api_key, int16_t api_version, int32_t correlation_id);
bool response_header_read(struct reader *reader, int16_t api_key, int16_t api_version, int32_t *correlation_id);

#endif
