/* client_quotas.c -- DescribeClientQuotas and AlterClientQuotas: what users and client ids may send and take (KIP-546).
 * What is not kept is refused by name: quotas of addresses, of time and of changes. */
#include "broker/admin.h"
#include "broker/apis.h"
#include "meta/image.h"
#include "meta/records.h"

enum { MATCH_EXACT, MATCH_DEFAULT, MATCH_ANY }; /* as on the wire */
enum { ALTER_TIMEOUT_MS = 30000 };              /* the request has none */

static const char *const key_names[QUOTA_KEYS] = {
    [QUOTA_PRODUCER_BYTE_RATE] = "producer_byte_rate",
    [QUOTA_CONSUMER_BYTE_RATE] = "consumer_byte_rate",
};

static struct bytes user_word(void)
{
    return BYTES_LITERAL("user");
}

static struct bytes client_id_word(void)
{
    return BYTES_LITERAL("client-id");
}

/* ---- DescribeClientQuotas ---- */

static bool component_fits(const struct describe_client_quotas_request_component *component,
                           const struct quota_name *name)
{
    const struct bytes bytes = { name->bytes, name->size };

    switch (component->match_type) {
    case MATCH_EXACT: return name->part == QUOTA_PART_NAMED && bytes_equal(component->match, bytes);
    case MATCH_DEFAULT: return name->part == QUOTA_PART_DEFAULT;
    default: return name->part != QUOTA_PART_NONE;
    }
}

static bool fits(const struct describe_client_quotas_request *request, const struct image_quota *quota)
{
    bool by_user = false, by_client = false;

    for (uint32_t i = 0; i < request->components_count; i++) {
        const bool user = bytes_equal(request->components[i].entity_type, user_word());
        if (!component_fits(&request->components[i], user ? &quota->user : &quota->client_id)) return false;
        by_user |= user;
        by_client |= !user;
    }
    if (!request->strict) return true;
    return by_user == (quota->user.part != QUOTA_PART_NONE) && by_client == (quota->client_id.part != QUOTA_PART_NONE);
}

/* NULL: the filter is one that can be asked for. */
static const char *objection(const struct describe_client_quotas_request *request)
{
    for (uint32_t i = 0; i < request->components_count; i++) {
        const struct describe_client_quotas_request_component *component = &request->components[i];
        const bool known =
            bytes_equal(component->entity_type, user_word()) || bytes_equal(component->entity_type, client_id_word());
        /* Addresses have no quotas: who asks for all of them is told that there are none. */
        if (!known && !bytes_equal(component->entity_type, BYTES_LITERAL("ip"))) return "Unknown entity type.";
        if (component->match_type < MATCH_EXACT || component->match_type > MATCH_ANY) return "Unknown match type.";
        if (component->match_type == MATCH_EXACT && component->match.data == NULL) return "Request specifies no name.";
        for (uint32_t j = 0; j < i; j++) {
            if (bytes_equal(request->components[j].entity_type, component->entity_type))
                return "Duplicate entity type.";
        }
    }
    return NULL;
}

static bool asks_for_addresses(const struct describe_client_quotas_request *request)
{
    for (uint32_t i = 0; i < request->components_count; i++) {
        if (bytes_equal(request->components[i].entity_type, BYTES_LITERAL("ip"))) return true;
    }
    return false;
}

static int64_t bits_of(int64_t rate)
{
    const double value = (double)rate;
    int64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void put_part(struct bytes type, const struct quota_name *name,
                     struct describe_client_quotas_response_entry *entry)
{
    if (name->part == QUOTA_PART_NONE) return;
    struct describe_client_quotas_response_entity *to = &entry->entity[entry->entity_count++];
    *to = (struct describe_client_quotas_response_entity){ .entity_type = type };
    if (name->part == QUOTA_PART_NAMED) to->entity_name = (struct bytes){ name->bytes, name->size };
}

static bool put_entry(struct call *call, const struct image_quota *quota,
                      struct describe_client_quotas_response_entry *entry)
{
    *entry = (struct describe_client_quotas_response_entry){
        .entity = arena_take(call->arena, 2, sizeof *entry->entity),
        .values = arena_take(call->arena, QUOTA_KEYS, sizeof *entry->values),
    };
    if (entry->entity == NULL || entry->values == NULL) return false;
    put_part(user_word(), &quota->user, entry);
    put_part(client_id_word(), &quota->client_id, entry);
    for (uint32_t key = 0; key < QUOTA_KEYS; key++) {
        if (quota->rates[key] == 0) continue;
        entry->values[entry->values_count++] =
            (struct describe_client_quotas_response_value){ text_of(key_names[key]), bits_of(quota->rates[key]) };
    }
    return true;
}

enum call_verdict describe_client_quotas_handle(struct call *call)
{
    struct describe_client_quotas_request request;
    struct describe_client_quotas_response response = describe_client_quotas_response_default;
    struct reader reader = reader_of(call->body);
    const uint32_t count = image_quota_count(call->image);

    if (!describe_client_quotas_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    const char *why = objection(&request);
    if (why != NULL) {
        call->failed = true;
        response.error_code = ERROR_INVALID_REQUEST;
        response.error_message = text_of(why);
        response.entries = NULL;
        describe_client_quotas_response_write(call->out, call->version, &response);
        return CALL_ANSWERED;
    }
    response.entries = arena_take(call->arena, MAX(count, 1U), sizeof *response.entries);
    if (response.entries == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < count && !asks_for_addresses(&request); i++) {
        const struct image_quota *quota = image_quota(call->image, i);
        if (!fits(&request, quota)) continue;
        if (!put_entry(call, quota, &response.entries[response.entries_count++])) return CALL_MALFORMED;
    }
    describe_client_quotas_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

/* ---- AlterClientQuotas ---- */

static const char *read_name(struct bytes name, int8_t *part, struct bytes *kept)
{
    if (*part != QUOTA_PART_NONE) return "Duplicate entity type.";
    if (name.size > QUOTA_NAME_SIZE_MAX) return "The name of an entity may have 127 bytes.";
    if (name.data != NULL && name.size == 0) return "The name of an entity must not be empty.";
    *part = name.data == NULL ? QUOTA_PART_DEFAULT : QUOTA_PART_NAMED;
    *kept = name.data == NULL ? BYTES_LITERAL("") : name;
    return NULL;
}

/* The entity. Why not, or NULL. */
static const char *read_entity(const struct alter_client_quotas_request_entry *entry,
                               struct metadata_client_quota_record *record)
{
    *record = (struct metadata_client_quota_record){ .user = BYTES_LITERAL(""), .client_id = BYTES_LITERAL("") };
    if (entry->entity_count == 0) return "Invalid empty client quota entity.";
    for (uint32_t i = 0; i < entry->entity_count; i++) {
        const struct alter_client_quotas_request_entity *part = &entry->entity[i];
        const char *why =
            "Unhandled client quota entity type: users and client ids have quotas here, addresses have none.";
        if (bytes_equal(part->entity_type, user_word())) {
            why = read_name(part->entity_name, &record->user_part, &record->user);
        } else if (bytes_equal(part->entity_type, client_id_word())) {
            why = read_name(part->entity_name, &record->client_id_part, &record->client_id);
        }
        if (why != NULL) return why;
    }
    return NULL;
}

/* A key and its new value. Why not, or NULL. */
static const char *read_op(const struct alter_client_quotas_request_op *op, struct metadata_client_quota_record *record)
{
    const double least = 1, most = (double)(INT64_C(1) << 53); /* whole numbers up to there are exact */
    double value;

    record->key = -1;
    for (uint32_t key = 0; key < QUOTA_KEYS; key++) {
        if (bytes_equal(op->key, text_of(key_names[key]))) record->key = (int8_t)key;
    }
    if (record->key < 0) return "Invalid configuration key: producer_byte_rate and consumer_byte_rate are there.";
    record->rate = 0;
    if (op->remove) return NULL;
    memcpy(&value, &op->value, sizeof value);
    if (!(value >= least && value <= most)) return "A rate must be a number of bytes a second from 1 on.";
    record->rate = (int64_t)value;
    return (double)record->rate == value ? NULL : "A rate must be a whole number.";
}

/* Those of one entry, or why there are none. */
static const char *read_entry(const struct alter_client_quotas_request_entry *entry,
                              struct metadata_client_quota_record *records, uint32_t *count)
{
    struct metadata_client_quota_record record;
    const uint32_t before = *count;
    const char *why = read_entity(entry, &record);

    for (uint32_t i = 0; i < entry->ops_count && why == NULL; i++) {
        why = read_op(&entry->ops[i], &record);
        records[(*count)++] = record;
    }
    if (why != NULL) *count = before;
    return why;
}

static bool shape(struct call *call, const struct alter_client_quotas_request_entry *from,
                  struct alter_client_quotas_response_entry *to)
{
    *to = (struct alter_client_quotas_response_entry){ .entity_count = from->entity_count };
    to->entity = arena_take(call->arena, MAX(from->entity_count, 1U), sizeof *to->entity);
    if (to->entity == NULL) return false;
    for (uint32_t i = 0; i < from->entity_count; i++) {
        to->entity[i] =
            (struct alter_client_quotas_response_entity){ from->entity[i].entity_type, from->entity[i].entity_name };
    }
    return true;
}

static uint32_t count_ops(const struct alter_client_quotas_request *request)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < request->entries_count; i++) count += request->entries[i].ops_count;
    return count;
}

/* What can be done is, all at once; the index to wait for, or 0. */
static bool decide(struct call *call, const struct alter_client_quotas_request *request,
                   struct alter_client_quotas_response *response, uint64_t *wait_index)
{
    struct metadata_client_quota_record *records =
        arena_take(call->arena, MAX(count_ops(request), 1U), sizeof *records);
    struct controller_answer answer = { .error = ERROR_NONE };
    uint32_t count = 0;

    if (records == NULL) return false;
    for (uint32_t i = 0; i < request->entries_count; i++) {
        const char *why = read_entry(&request->entries[i], records, &count);
        if (why == NULL) continue;
        call->failed = true;
        response->entries[i].error_code = ERROR_INVALID_REQUEST;
        response->entries[i].error_message = text_of(why);
    }
    if (count > 0) controller_set_quotas(call->controller, records, count, request->validate_only, &answer);
    *wait_index = answer.wait_index;
    if (answer.error == ERROR_NONE) return true;
    const struct bytes said = admin_message(call, &answer.message);
    for (uint32_t i = 0; i < request->entries_count; i++) {
        if (response->entries[i].error_code != ERROR_NONE) continue;
        call->failed = true;
        response->entries[i].error_code = (int16_t)answer.error;
        response->entries[i].error_message = said;
    }
    return true;
}

enum call_verdict alter_client_quotas_handle(struct call *call)
{
    struct alter_client_quotas_request request;
    struct alter_client_quotas_response response = alter_client_quotas_response_default;
    struct reader reader = reader_of(call->body);
    enum call_verdict verdict;
    uint64_t wait_index = 0;

    if (!alter_client_quotas_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, ALTER_TIMEOUT_MS, &verdict)) return verdict;
    response.entries = arena_take(call->arena, MAX(request.entries_count, 1U), sizeof *response.entries);
    if (response.entries == NULL) return CALL_MALFORMED;
    response.entries_count = request.entries_count;
    for (uint32_t i = 0; i < request.entries_count; i++) {
        if (!shape(call, &request.entries[i], &response.entries[i])) return CALL_MALFORMED;
        response.entries[i].error_code = (int16_t)call->refusal;
        response.entries[i].error_message = admin_refusal(call);
    }
    call->failed = call->refusal != ERROR_NONE;
    if (call->refusal == ERROR_NONE && !decide(call, &request, &response, &wait_index)) return CALL_MALFORMED;
    if (wait_index != 0) return admin_wait(call, wait_index);
    alter_client_quotas_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
