/* What a peer sends: a message's bytes, and a member list's. What was read is written again to the same bytes. */
#include "raft/configuration.h"
#include "raft/message.h"

#include <stdlib.h>

enum { MEMBERS_MAX = 16, LIST_SIZE_MAX = 1024 };

static void must(bool holds)
{
    if (!holds) abort();
}

static void try_message(struct bytes bytes)
{
    static struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    static uint8_t head[RAFT_MESSAGE_HEAD_SIZE_MAX];
    struct raft_message message;

    if (!raft_message_read(bytes, entries, &message)) return;
    const uint32_t size = raft_message_write(&message, entries, head);
    must(size + raft_message_payload_size(&message, entries) == bytes.size);
    must(memcmp(head, bytes.data, size) == 0);
    must(message.payload.size == bytes.size - size);
}

static struct raft_configuration *fresh_list(void)
{
    struct raft_configuration *list = malloc(sizeof *list);
    uint8_t *memory = malloc(raft_configuration_memory(MEMBERS_MAX, LIST_SIZE_MAX));
    raft_configuration_init(list, memory, MEMBERS_MAX, LIST_SIZE_MAX);
    return list;
}

static void drop_list(struct raft_configuration *list)
{
    free(list->members);
    free(list);
}

/* The last bytes also say what is changed. */
static void try_list(struct bytes bytes)
{
    struct raft_configuration *list = fresh_list(), *next = fresh_list();
    struct raft_change changes[4];

    if (raft_configuration_read(list, bytes) == RAFT_CONFIGURATION_GOOD) {
        raft_configuration_check(list);
        must(list->size == bytes.size && memcmp(list->bytes, bytes.data, bytes.size) == 0);
        for (uint32_t i = 0; i < 4; i++) {
            const uint8_t what = bytes.data[bytes.size - 1 - i];
            changes[i] = (struct raft_change){ (enum raft_change_kind)(what % 4), what / 4, BYTES_LITERAL("a") };
            if (what % 8 != 0) changes[i].id = list->members[what % list->count].id;
        }
        if (raft_configuration_is_joint(list)) raft_configuration_leave_joint(next, list);
        else (void)raft_configuration_change(next, list, changes, 1 + bytes.size % 4);
        raft_configuration_check(next);
        for (uint32_t i = 0; i < next->count; i++) {
            const struct raft_member *member = &next->members[i];
            must(raft_configuration_find(next, member->id) == member);
        }
    }
    drop_list(list);
    drop_list(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes bytes = { data, (uint32_t)size };
    try_message(bytes);
    try_list(bytes);
    return 0;
}
