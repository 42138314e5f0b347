/* lists.c -- member lists in two languages: ours (raft/configuration.h), which is on disks and wires, and the
 * library's, which it wants in its log.
 *
 *    0 u8  format, 1      1 u64 servers (little-endian, as all its numbers)
 *    9 per server:  u64 id, address and a zero byte, u8 role;      padded with zeros to a multiple of 8
 *
 * The library wants each address once, as text without a zero; ours are bytes, and any number of members may have the
 * same. So its address is our id and our address: "7 host:9093", where zero and % are %00 and %25. */
#include "raft/canonical/state.h"

enum { FORMAT = 1, HEAD_SIZE = 9 };

/* ---- what is remembered ---- */

/* The oldest one goes when the snapshot is behind the next; else the one after it, which leaves a gap. */
static void forget_one(struct raft *raft)
{
    const uint32_t at = raft->lists[1].index <= raft->snapshot.index ? 0 : 1;
    const struct list gone = raft->lists[at];

    if (at == 1 && raft->lists[0].end_index == 0) raft->lists[0].end_index = gone.index;
    memmove(raft->lists + at, raft->lists + at + 1, (LISTS_MAX - 1 - at) * sizeof *raft->lists);
    raft->lists[--raft->list_count] = gone; /* for its memory */
}

void lists_add(struct raft *raft, uint64_t index, struct bytes bytes)
{
    CHECK(bytes.size <= raft->config.configuration_size_max);
    CHECK(raft->list_count == 0 || raft->lists[raft->list_count - 1].index < index);
    if (raft->list_count == LISTS_MAX) forget_one(raft);
    struct list *list = &raft->lists[raft->list_count++];
    list->index = index;
    list->end_index = 0;
    list->size = bytes.size;
    memcpy(list->bytes, bytes.data, bytes.size);
}

void lists_truncate(struct raft *raft, uint64_t from)
{
    while (raft->list_count > 0 && raft->lists[raft->list_count - 1].index >= from) raft->list_count--;
    if (raft->list_count > 0 && raft->lists[0].end_index >= from) raft->lists[0].end_index = 0; /* gone, all of them */
}

const struct list *lists_at(const struct raft *raft, uint64_t index)
{
    for (uint32_t i = raft->list_count; i > 0; i--) {
        const struct list *list = &raft->lists[i - 1];
        if (list->index <= index) return list->end_index != 0 && index >= list->end_index ? NULL : list;
    }
    return NULL;
}

/* ---- addresses ---- */

static uint32_t put_number(char *to, uint64_t number)
{
    char digits[24];
    uint32_t count = 0;

    do digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (uint32_t i = 0; i < count; i++) to[i] = digits[count - 1 - i];
    return count;
}

void lists_address(uint64_t id, struct bytes address, char to[LIBRARY_ADDRESS_SIZE_MAX])
{
    uint32_t at = put_number(to, id);

    to[at++] = ' ';
    for (uint32_t i = 0; i < address.size; i++) {
        const uint8_t byte = address.data[i];
        if (byte != 0 && byte != '%') {
            to[at++] = (char)byte;
            continue;
        }
        memcpy(to + at, byte == 0 ? "%00" : "%25", 3);
        at += 3;
    }
    to[at] = 0;
}

static struct bytes address_from_library(const char *text, uint8_t to[RAFT_ADDRESS_SIZE_MAX])
{
    uint32_t size = 0;

    while (*text != 0 && *text != ' ') text++;
    if (*text == ' ') text++;
    for (; *text != 0 && size < RAFT_ADDRESS_SIZE_MAX; text++) {
        const bool escaped = text[0] == '%' && text[1] != 0 && text[2] != 0;
        to[size++] = escaped ? (uint8_t)(text[2] == '5' ? '%' : 0) : (uint8_t)*text;
        if (escaped) text += 2;
    }
    return (struct bytes){ to, size };
}

/* ---- from one language to the other ---- */

bool lists_to_library(struct raft *raft, struct bytes bytes, struct libraft_configuration *to)
{
    char address[LIBRARY_ADDRESS_SIZE_MAX];

    libraft_configuration_init(to);
    if (raft_configuration_read(&raft->scratch, bytes) != RAFT_CONFIGURATION_GOOD) return false;
    if (raft_configuration_is_joint(&raft->scratch)) return false; /* nobody here makes one */
    for (uint32_t i = 0; i < raft->scratch.count; i++) {
        const struct raft_member *member = &raft->scratch.members[i];
        lists_address(member->id, raft_configuration_address(&raft->scratch, member), address);
        const int role = (member->flags & RAFT_VOTER) != 0 ? (int)LIBRAFT_VOTER : (int)LIBRAFT_STANDBY;
        CHECK(libraft_configuration_add(to, member->id, address, role) == 0);
    }
    return true;
}

/* Their next server in order of ids; NULL: that was the last. */
static const struct raft_server *server_after(const struct libraft_configuration *list, uint64_t id)
{
    const struct raft_server *next = NULL;

    for (unsigned i = 0; i < list->n; i++) {
        const struct raft_server *server = &list->servers[i];
        if (server->id > id && (next == NULL || server->id < next->id)) next = server;
    }
    return next;
}

void lists_from_library(const struct libraft_configuration *from, struct raft_configuration *to)
{
    const struct raft_server *server = server_after(from, 0);

    raft_configuration_clear(to);
    for (; server != NULL; server = server_after(from, server->id)) {
        uint8_t text[RAFT_ADDRESS_SIZE_MAX];
        const struct bytes address = address_from_library(server->address, text);
        const uint8_t flags = server->role == (int)LIBRAFT_VOTER ? RAFT_VOTER : 0;
        if (!raft_configuration_put(to, server->id, flags, address)) return;
    }
}

bool lists_decode(const struct raft_buffer *payload, struct libraft_configuration *to)
{
    const uint8_t *from = payload->base;
    size_t at = HEAD_SIZE;
    uint64_t count = 0;

    libraft_configuration_init(to);
    if (payload->len < HEAD_SIZE || from[0] != FORMAT) return false;
    memcpy(&count, from + 1, sizeof count);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id;
        if (payload->len - at < sizeof id) return false;
        memcpy(&id, from + at, sizeof id);
        const char *address = (const char *)from + at + sizeof id;
        for (at += sizeof id; at < payload->len && from[at] != 0; at++) continue;
        if (payload->len - at < 2 || id == 0) return false;
        if (libraft_configuration_add(to, id, address, from[at + 1]) != 0) return false;
        at += 2;
    }
    return to->n > 0;
}

static size_t text_size(const char *text)
{
    size_t size = 0;
    while (text[size] != 0) size++;
    return size;
}

size_t lists_encoded_size(const struct libraft_configuration *list)
{
    size_t size = HEAD_SIZE;
    for (unsigned i = 0; i < list->n; i++) size += sizeof(uint64_t) + text_size(list->servers[i].address) + 2;
    return (size + 7) / 8 * 8;
}

void lists_encode(const struct libraft_configuration *list, uint8_t *to)
{
    const uint64_t count = list->n;
    size_t at = HEAD_SIZE;

    memset(to, 0, lists_encoded_size(list));
    to[0] = FORMAT;
    memcpy(to + 1, &count, sizeof count);
    for (unsigned i = 0; i < list->n; i++) {
        const struct raft_server *server = &list->servers[i];
        const uint64_t id = server->id;
        const size_t size = text_size(server->address) + 1;
        memcpy(to + at, &id, sizeof id);
        memcpy(to + at + sizeof id, server->address, size);
        to[at + sizeof id + size] = (uint8_t)server->role;
        at += sizeof id + size + 1;
    }
}

/* ---- questions ---- */

const struct raft_server *lists_server(const struct libraft_configuration *list, uint64_t id)
{
    for (unsigned i = 0; i < list->n; i++) {
        if (list->servers[i].id == id) return &list->servers[i];
    }
    return NULL;
}

bool lists_is_sole_voter(const struct libraft_configuration *list, uint64_t id)
{
    uint32_t voters = 0;
    bool self = false;

    for (unsigned i = 0; i < list->n; i++) {
        if (list->servers[i].role != (int)LIBRAFT_VOTER) continue;
        voters++;
        self = self || list->servers[i].id == id;
    }
    return voters == 1 && self;
}

void lists_refresh(struct raft *raft)
{
    const struct libraft *library = &raft->library;
    const struct listed listed = { library->configuration.servers, library->configuration.n,
                                   library->configuration_index, library->configuration_uncommitted_index };

    if (memcmp(&listed, &raft->listed, sizeof listed) == 0) return;
    raft->listed = listed;
    lists_from_library(&library->configuration, &raft->in_force);
    raft->in_force.index = MAX(library->configuration_uncommitted_index, library->configuration_index);
}
