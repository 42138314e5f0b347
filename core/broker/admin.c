#include "broker/admin.h"

#include "base/map.h"
#include "codec/api.h"

static uint32_t find_same(const struct text_map *map, const struct bytes *names, struct bytes name)
{
    struct text_map_search search;
    uint32_t other = text_map_first(map, name, &search);

    while (other != TEXT_MAP_NONE && !bytes_equal(names[other], name)) other = text_map_next(map, &search);
    return other;
}

const bool *admin_repeated(struct call *call, const struct bytes *names, uint32_t count)
{
    const size_t size = text_map_size(MAX(count, 1U));
    bool *repeated = arena_take(call->arena, count, sizeof *repeated);
    void *memory = size > UINT32_MAX ? NULL : arena_take(call->arena, 1, (uint32_t)size);
    struct text_map map;

    if (repeated == NULL || memory == NULL) return NULL;
    memset(memory, 0, size);
    text_map_init(&map, memory, MAX(count, 1U), call->begun_ns);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t other = names[i].data == NULL ? TEXT_MAP_NONE : find_same(&map, names, names[i]);
        repeated[i] = other != TEXT_MAP_NONE;
        if (repeated[i]) repeated[other] = true;
        else if (names[i].data != NULL) text_map_add(&map, names[i], i);
    }
    return repeated;
}

struct bytes admin_message(struct call *call, const struct text *message)
{
    if (message->size == 0) return (struct bytes){ 0 };
    uint8_t *copy = arena_take(call->arena, message->size, 1);
    if (copy == NULL) return (struct bytes){ 0 };
    memcpy(copy, message->data, message->size);
    return (struct bytes){ copy, message->size };
}

struct bytes admin_words(const char *words)
{
    return text_of(words);
}

enum call_verdict admin_wait(struct call *call, uint64_t index)
{
    call->wait.value = index;
    return CALL_WAITS;
}

struct bytes admin_refusal(const struct call *call)
{
    if (call->refusal != ERROR_POLICY_VIOLATION) return (struct bytes){ 0 };
    return BYTES_LITERAL("The request is too large, or its answer is.");
}

bool admin_changes_metadata(int16_t api_key)
{
    switch (api_key) {
    case API_CREATE_TOPICS:
    case API_DELETE_TOPICS:
    case API_CREATE_PARTITIONS:
    case API_ALTER_CONFIGS:
    case API_INCREMENTAL_ALTER_CONFIGS:
    case API_DESCRIBE_QUORUM: /* only who leads knows */
    case API_ADD_RAFT_VOTER:
    case API_REMOVE_RAFT_VOTER:
    case API_UNREGISTER_BROKER:
    case API_UPDATE_FEATURES:
    case API_ALTER_CLIENT_QUOTAS:
    case API_ELECT_LEADERS:
    case API_ALTER_PARTITION_REASSIGNMENTS:
    case API_OPERATE: return true;
    default: return false;
    }
}
