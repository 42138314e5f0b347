#include "runtime/client/contact.h"

#include "runtime/connect.h"
#include "runtime/report.h"
#include "runtime/socket.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 128 << 20, ARENA_PER_BYTE = 24, ARENA_MIN = 1 << 20 };

static struct reader body;

void contact_init(struct contact *contact, char *error)
{
    *contact = (struct contact){ .fd = -1, .error = error };
}

__attribute__((format(printf, 2, 3))) static bool fail(struct contact *contact, const char *format, ...)
{
    char address[ADDRESS_TEXT_SIZE];
    va_list list;

    const int size = snprintf(contact->error, CONTACT_ERROR_SIZE, "%s: ", address_format(&contact->address, address));
    va_start(list, format);
    vsnprintf(contact->error + size, CONTACT_ERROR_SIZE - (size_t)size, format, list);
    va_end(list);
    contact_close(contact);
    return false;
}

void contact_close(struct contact *contact)
{
    if (contact->fd >= 0) close(contact->fd);
    free(contact->out);
    free(contact->in);
    free(contact->arena.memory);
    *contact = (struct contact){ .fd = -1, .address = contact->address, .error = contact->error };
}

/* ---- bytes ---- */

static bool send_all(struct contact *contact, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const ssize_t sent = send(contact->fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return fail(contact, "%s", errno == EAGAIN ? "it takes nothing any more" : strerror(errno));
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool receive_all(struct contact *contact, uint8_t *data, size_t size)
{
    while (size > 0) {
        const ssize_t received = recv(contact->fd, data, size, 0);
        if (received < 0 && errno == EINTR) continue;
        if (received == 0) return fail(contact, "it closed the connection");
        if (received < 0) return fail(contact, "%s", errno == EAGAIN ? "it does not answer" : strerror(errno));
        data += received;
        size -= (size_t)received;
    }
    return true;
}

/* Room for an answer of that size, and for all that may be read from it. */
static bool make_room(struct contact *contact, uint32_t size)
{
    if (size <= contact->in_size && contact->in != NULL) {
        arena_reset(&contact->arena);
        return true;
    }
    const size_t arena_size = ARENA_MIN + (size_t)size * ARENA_PER_BYTE;
    free(contact->in);
    free(contact->arena.memory);
    contact->arena.memory = malloc(arena_size); /* untouched, it takes nothing */
    contact->in = malloc(MAX(size, 1U));
    contact->in_size = size;
    if (contact->in == NULL || contact->arena.memory == NULL)
        return fail(contact, "no memory for an answer of %u bytes", size);
    arena_init(&contact->arena, contact->arena.memory, arena_size);
    return true;
}

/* ---- requests ---- */

struct writer *contact_begin(struct contact *contact, int16_t api_key, int16_t version)
{
    const struct request_header header = { .api_key = api_key,
                                           .api_version = version,
                                           .correlation_id = ++contact->correlation_id,
                                           .client_id = BYTES_LITERAL("chronik") };
    if (contact->out == NULL) contact->out = malloc(REQUEST_MAX);
    contact->writer = writer_of(contact->out, contact->out == NULL ? 0 : REQUEST_MAX);
    contact->api_key = api_key;
    contact->version = version;
    writer_leave_int32(&contact->writer);
    request_header_write(&contact->writer, &header);
    return &contact->writer;
}

bool contact_tell(struct contact *contact)
{
    if (!writer_ok(&contact->writer)) return fail(contact, "the request is too large");
    writer_patch_int32(&contact->writer, 0, (int32_t)contact->writer.size - 4);
    return send_all(contact, contact->out, (size_t)contact->writer.size);
}

struct reader *contact_ask(struct contact *contact)
{
    uint8_t head[4];
    int32_t correlation_id;

    if (!contact_tell(contact) || !receive_all(contact, head, sizeof head)) return NULL;
    const uint32_t size = load_u32(head);
    if (size > CONTACT_ANSWER_MAX) {
        fail(contact, "that is not a Kafka broker");
        return NULL;
    }
    if (!make_room(contact, size) || !receive_all(contact, contact->in, size)) return NULL;
    body = reader_of((struct bytes){ contact->in, size });
    if (!response_header_read(&body, contact->api_key, contact->version, &correlation_id) ||
        correlation_id != contact->correlation_id) {
        fail(contact, "that is not a Kafka broker");
        return NULL;
    }
    return &body;
}

/* ---- versions ---- */

int16_t contact_version(const struct contact *contact, int16_t api_key, int16_t most)
{
    const struct api *api = api_find(api_key);
    const struct contact_version *there = &contact->versions[api - api_table];
    const int16_t version = MIN(MIN(api->served_max, there->max), most);

    return there->max >= 0 && version >= MAX(api->served_min, there->min) ? version : -1;
}

/* A broker answers a version that it does not know with error 35 in version 0. */
static bool learn_versions(struct contact *contact, int16_t version)
{
    const struct api_versions_request request = { .client_software_name = BYTES_LITERAL("chronik"),
                                                  .client_software_version = BYTES_LITERAL(CHRONIK_VERSION) };
    struct api_versions_response response;

    api_versions_request_write(contact_begin(contact, API_API_VERSIONS, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return false;
    const struct reader whole = *reader;
    bool read = api_versions_response_read(reader, version, &contact->arena, &response);
    if (!read && version > 0) {
        *reader = whole;
        arena_reset(&contact->arena);
        read = api_versions_response_read(reader, 0, &contact->arena, &response);
    }
    if (!read) return fail(contact, "that is not a Kafka broker");
    if (response.error_code != 0 && version > 0) return learn_versions(contact, 0);
    for (uint32_t i = 0; i < API_COUNT; i++) contact->versions[i] = (struct contact_version){ -1, -1 };
    for (uint32_t i = 0; i < response.api_keys_count; i++) {
        const struct api_versions_response_api_key *key = &response.api_keys[i];
        const struct api *api = api_find(key->api_key);
        if (api != NULL)
            contact->versions[api - api_table] = (struct contact_version){ key->min_version, key->max_version };
    }
    return true;
}

bool contact_open(struct contact *contact, const struct address *address)
{
    const char *why;

    if (contact->fd >= 0) return true;
    contact->address = *address;
    contact->fd = connect_to(address->host, address->port, CONTACT_PATIENCE_S, &why);
    if (contact->fd < 0) return fail(contact, "%s", why);
    return learn_versions(contact, 3);
}
