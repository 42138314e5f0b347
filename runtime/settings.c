#include "settings.h"

#include "base/check.h"
#include "socket.h"
#include "toml.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind {
    KIND_TEXT,
    KIND_ADDRESS,
    KIND_OPTIONAL_ADDRESS, /* or "off" */
    KIND_BOOLEAN,
    KIND_INT32,
    KIND_INT64,
    KIND_UINT32,
    KIND_SIZE32, /* bytes, or a text such as "64MiB" */
    KIND_SIZE64,
    KIND_LEVEL,
    KIND_FORMAT,
    KIND_VOTERS, /* an odd number */
    KIND_SEEDS,  /* id@host:port, several of them */
};

struct row {
    const char *section, *key;
    enum kind kind;
    size_t place; /* in struct settings */
    size_t text_size;
    int64_t min, max;
    const char *help;
};

#define PLACE(field) offsetof(struct settings, field)
#define NODE(field) offsetof(struct settings, node.field)
#define KIB 1024
#define MIB (1024 * 1024)
#define GIB (1024ll * 1024 * 1024)

/* Limits reserve address space: large ones cost nothing until they are used. */
static const struct row rows[] = {
    { "server", "kafka_addr", KIND_ADDRESS, PLACE(kafka), 0, 0, 0, "where Kafka clients connect" },
    { "server", "advertised_kafka_addr", KIND_ADDRESS, NODE(advertised_kafka), 0, 0, 0,
      "how clients reach that address, if by another one" },
    { "server", "admin_addr", KIND_OPTIONAL_ADDRESS, PLACE(admin), 0, 0, 0,
      "HTTP: /health /metrics /admin/status; or off" },
    { "server", "data_dir", KIND_TEXT, PLACE(data_dir), 1024, 1, 0, "everything that is kept" },
    { "server", "log_level", KIND_LEVEL, PLACE(log_level), 0, 0, 0, "debug, info, warning or error" },
    { "server", "log_format", KIND_FORMAT, PLACE(log_format), 0, 0, 0, "text or json" },

    { "cluster", "enabled", KIND_BOOLEAN, NODE(cluster_enabled), 0, 0, 0,
      "this node belongs to a cluster, or founds one" },
    { "cluster", "node_id", KIND_INT32, NODE(node_id), 0, 1, INT32_MAX, "this node's number, in its cluster" },
    { "cluster", "node_addr", KIND_ADDRESS, PLACE(cluster_node), 0, 0, 0, "where other nodes connect" },
    { "cluster", "advertised_node_addr", KIND_ADDRESS, NODE(node_address), 0, 0, 0, "how they reach that address" },
    { "cluster", "wal_addr", KIND_ADDRESS, PLACE(cluster_wal), 0, 0, 0, "where other nodes connect to send data" },
    { "cluster", "advertised_wal_addr", KIND_ADDRESS, NODE(wal_address), 0, 0, 0,
      "how they reach that address, if on another host" },
    { "cluster", "seed_nodes", KIND_SEEDS, NODE(seeds), 0, 0, 0,
      "id@host:port of nodes to join; none: a node without data founds a cluster" },
    { "cluster", "voters", KIND_VOTERS, NODE(voters_target), 0, 1, 7,
      "so many nodes vote on metadata, if there are as many" },
    { "cluster", "observer", KIND_BOOLEAN, NODE(observer), 0, 0, 0,
      "new in its cluster, it comes as an observer: it follows, and does not count" },
    { "cluster", "rack", KIND_TEXT, NODE(rack), 64, 0, 0, "where it stands, for clients that prefer what is near" },

    { "defaults", "num_partitions", KIND_INT32, NODE(num_partitions), 0, 1, 100000,
      "of a topic that is created by its first use" },
    { "defaults", "replication_factor", KIND_INT32, NODE(replication_factor), 0, 1, 7,
      "replicas that a topic is meant to have; with fewer nodes it has fewer" },
    { "defaults", "auto_create_topics", KIND_BOOLEAN, NODE(auto_create_topics), 0, 0, 0,
      "create topics by their first use" },
    { "defaults", "connections_max_idle_ms", KIND_INT64, NODE(link_idle_ms), 0, 1000, INT64_MAX / 1000000,
      "a connection without requests is closed after it" },
    { "defaults", "log_retention_check_interval_ms", KIND_INT64, NODE(retention_check_interval_ms), 0, 10,
      INT64_MAX / 1000000, "how often old segments are looked for" },
    { "defaults", "log_compacts", KIND_BOOLEAN, NODE(log_compacts), 0, 0, 0,
      "topics that do not say keep the last record of each key" },
    { "defaults", "log_cleaner_backoff_ms", KIND_INT64, NODE(compaction_backoff_ms), 0, 10, INT64_MAX / 1000000,
      "how often logs are searched for one to be compacted" },
    { "defaults", "producer_id_expiration_ms", KIND_INT64, NODE(producer_id_expiration_ms), 0, 1000,
      INT64_MAX / 1000000, "an idle producer is forgotten after it" },
    { "defaults", "message_max_bytes", KIND_INT32, NODE(message_size_default), 0, 0, INT32_MAX,
      "the largest record batch, where a topic does not say" },
    { "defaults", "log_segment_bytes", KIND_INT32, NODE(log_segment_size), 0, 16 * KIB, INT32_MAX,
      "a segment file is closed at this size" },
    { "defaults", "log_roll_ms", KIND_INT64, NODE(log_roll_ms), 0, 1, INT64_MAX, "or at this age" },
    { "defaults", "log_retention_ms", KIND_INT64, NODE(log_retention_ms), 0, -1, INT64_MAX,
      "segments are dropped at this age; -1: never" },
    { "defaults", "log_retention_bytes", KIND_INT64, NODE(log_retention_size), 0, -1, INT64_MAX,
      "or beyond this size of a partition; -1: never" },
    { "defaults", "log_index_interval_bytes", KIND_INT32, NODE(log_index_interval_size), 0, 0, INT32_MAX,
      "an index entry for so many bytes" },
    { "defaults", "send_stall_ms", KIND_UINT32, PLACE(send_stall_ms), 0, 100, INT32_MAX,
      "a connection that takes no data is closed after it" },

    { "limits", "connections_max", KIND_UINT32, NODE(links_max), 0, 1, 1000000, "open connections" },
    { "limits", "peer_connections_max", KIND_UINT32, PLACE(peer_links_max), 0, 8, 65536,
      "from other nodes, and as many again to them" },
    { "limits", "topics_max", KIND_UINT32, NODE(topics_max), 0, 1, 1000000, "topics" },
    { "limits", "partitions_max", KIND_UINT32, NODE(partitions_max), 0, 1, 1000000, "partitions on this node" },
    { "limits", "segments_max", KIND_UINT32, NODE(segments_max), 0, 1, 100000000, "segment files on this node" },
    { "limits", "producers_max", KIND_UINT32, NODE(producers_max), 0, 1, 100000000, "idempotent producers remembered" },
    { "limits", "groups_max", KIND_UINT32, NODE(groups_max), 0, 1, 10000000, "consumer groups coordinated here" },
    { "limits", "group_members_max", KIND_UINT32, NODE(group_members_max), 0, 1, 10000000, "members of all of them" },
    { "limits", "group_offsets_max", KIND_UINT32, NODE(group_offsets_max), 0, 1, 100000000,
      "partitions that they have committed offsets for" },
    { "limits", "group_memory", KIND_SIZE64, NODE(group_memory_size), 0, 64 * KIB, 64 * GIB,
      "names, subscriptions and assignments of groups: a power of two" },
    { "limits", "request_size_max", KIND_SIZE32, NODE(request_size_max), 0, 64 * KIB, INT32_MAX, "of one request" },
    { "limits", "request_memory", KIND_SIZE64, NODE(request_memory_size), 0, MIB, 1024 * GIB,
      "requests being received and answers being sent" },
    { "limits", "message_size_max", KIND_SIZE32, NODE(message_size_max), 0, KIB, INT32_MAX,
      "the largest max.message.bytes of a topic" },
    { "limits", "tail_unit", KIND_SIZE32, NODE(tail_unit_size), 0, 4 * KIB, GIB, "unit of the memory below" },
    { "limits", "tail_memory", KIND_SIZE64, NODE(tail_memory_size), 0, MIB, 1024 * GIB,
      "memory for what was appended lately" },
    { "limits", "journal_file", KIND_SIZE32, NODE(journal_file_size), 0, 64 * KIB, GIB, "one file of the journal" },
    { "limits", "journal_files_max", KIND_UINT32, NODE(journal_files_max), 0, 2, 64, "files of the journal" },
    { "limits", "compaction_memory", KIND_SIZE64, NODE(compaction_memory_size), 0, 64 * KIB, 32 * GIB,
      "keys that are compacted at a time, 32 bytes each" },
    { "limits", "meta_journal_file", KIND_SIZE32, NODE(meta_journal_file_size), 0, 64 * KIB, GIB,
      "one file of the metadata's journal" },
    { "limits", "meta_snapshot_entries", KIND_UINT32, NODE(meta_snapshot_entries), 0, 16, 1000000000,
      "metadata records before a snapshot replaces them" },
};

static const char *const level_names[] = { "debug", "info", "warning", "error" };
static const char *const format_names[] = { "text", "json" };

void settings_init(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    config_init(&settings->node);
    if (settings->node.node_id == 0) settings->node.node_id = 1;
    memcpy(settings->data_dir, "./data", sizeof "./data");
    settings->kafka = (struct address){ "127.0.0.1", 9092 };
    settings->admin = (struct address){ "127.0.0.1", 8080 };
    settings->cluster_node = (struct address){ "0.0.0.0", 9093 };
    settings->cluster_wal = (struct address){ "0.0.0.0", 9291 };
    settings->peer_links_max = 4096; /* control and data of a thousand nodes */
    settings->log_level = NOTE_INFO;
    settings->log_format = LOG_TEXT;
    settings->send_stall_ms = 30 * 1000;
}

void settings_complete(struct settings *settings)
{
    const bool in_cluster = settings->node.cluster_enabled;

    settings->node.peer_links_max = in_cluster ? settings->peer_links_max : 0;
    if (in_cluster && !settings->kafka_given) memcpy(settings->kafka.host, "0.0.0.0", sizeof "0.0.0.0");
    if (in_cluster && !settings->admin_given) memcpy(settings->admin.host, "0.0.0.0", sizeof "0.0.0.0");
}

/* ---- one value ---- */

/* `what` is wrong with the setting; where it was read from is the caller's to say. */
struct complaint {
    char what[SETTINGS_ERROR_SIZE / 2];
};

__attribute__((format(printf, 2, 3))) static bool complain(struct complaint *complaint, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(complaint->what, sizeof complaint->what, format, list);
    va_end(list);
    return false;
}

static bool set_number(struct settings *settings, const struct row *row, int64_t number, struct complaint *complaint)
{
    void *place = (char *)settings + row->place;

    if (number < row->min || number > row->max) {
        return complain(complaint, "%" PRId64 " is not between %" PRId64 " and %" PRId64, number, row->min, row->max);
    }
    switch (row->kind) {
    case KIND_INT32: memcpy(place, &(int32_t){ (int32_t)number }, sizeof(int32_t)); return true;
    case KIND_INT64: memcpy(place, &number, sizeof number); return true;
    case KIND_VOTERS:
        if (number % 2 == 0) return complain(complaint, "%" PRId64 " is none of 1, 3, 5, 7", number);
        memcpy(place, &(uint32_t){ (uint32_t)number }, sizeof(uint32_t));
        return true;
    case KIND_UINT32:
    case KIND_SIZE32: memcpy(place, &(uint32_t){ (uint32_t)number }, sizeof(uint32_t)); return true;
    case KIND_SIZE64: memcpy(place, &(uint64_t){ (uint64_t)number }, sizeof(uint64_t)); return true;
    case KIND_TEXT:
    case KIND_ADDRESS:
    case KIND_OPTIONAL_ADDRESS:
    case KIND_BOOLEAN:
    case KIND_LEVEL:
    case KIND_FORMAT:
    case KIND_SEEDS: break;
    }
    CHECK(false);
    return false;
}

static bool set_boolean(struct settings *settings, const struct row *row, bool value)
{
    memcpy((char *)settings + row->place, &value, sizeof value);
    return true;
}

/* Digits, and for sizes a unit. */
static bool set_number_text(struct settings *settings, const struct row *row, const char *text,
                            struct complaint *complaint)
{
    static const struct {
        const char *name;
        int64_t size;
    } units[] = { { "", 1 }, { "KiB", KIB }, { "MiB", MIB }, { "GiB", GIB } };
    const bool is_size = row->kind == KIND_SIZE32 || row->kind == KIND_SIZE64;
    char *end = NULL;

    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (end == text || errno == ERANGE || (text[0] != '-' && (text[0] < '0' || text[0] > '9'))) {
        return complain(complaint, is_size ? "'%.40s' is no size: 1000 or \"64MiB\" is" : "'%.40s' is no number", text);
    }
    for (uint32_t i = 0; i < (is_size ? COUNT_OF(units) : 1); i++) {
        if (strcmp(end, units[i].name) != 0) continue;
        if (number > INT64_MAX / units[i].size) return complain(complaint, "'%.40s' is too large", text);
        return set_number(settings, row, number * units[i].size, complaint);
    }
    return complain(complaint, is_size ? "'%.40s' is no size: KiB, MiB and GiB are units" : "'%.40s' is no number",
                    text);
}

static bool set_text(struct settings *settings, const struct row *row, const char *text, struct complaint *complaint)
{
    const size_t size = strlen(text);

    if (size < (size_t)row->min) return complain(complaint, "it must not be empty");
    if (size >= row->text_size) return complain(complaint, "it has more than %zu characters", row->text_size - 1);
    memset((char *)settings + row->place, 0, row->text_size);
    memcpy((char *)settings + row->place, text, size);
    return true;
}

static bool set_address(struct settings *settings, const struct row *row, const char *text, struct complaint *complaint)
{
    struct address *address = (struct address *)((char *)settings + row->place);

    if (row->kind == KIND_OPTIONAL_ADDRESS && strcmp(text, "off") == 0) {
        memset(address, 0, sizeof *address);
        settings->admin_given = true;
        return true;
    }
    const char *wrong = address_parse(text, address);
    if (wrong != NULL) return complain(complaint, "'%.80s' is no address (host:port): %s", text, wrong);
    settings->kafka_given |= address == &settings->kafka;
    settings->admin_given |= address == &settings->admin;
    return true;
}

/* One more. */
static bool add_seed(struct settings *settings, const char *text, struct complaint *complaint)
{
    struct config *node = &settings->node;

    if (node->seed_count == SEEDS_MAX) return complain(complaint, "there are more than %d", SEEDS_MAX);
    struct seed_node *seed = &node->seeds[node->seed_count];
    const char *wrong = seed_parse(text, seed);
    if (wrong != NULL) return complain(complaint, "'%.80s' is no seed (id@host:port): %s", text, wrong);
    for (uint32_t i = 0; i < node->seed_count; i++) {
        if (node->seeds[i].node_id == seed->node_id) {
            return complain(complaint, "node %" PRId32 " is named twice", seed->node_id);
        }
    }
    node->seed_count++;
    return true;
}

/* With commas between. */
static bool set_seeds(struct settings *settings, const char *text, struct complaint *complaint)
{
    char seed[512];

    settings->node.seed_count = 0;
    while (*text != 0) {
        const size_t size = strcspn(text, ",");
        snprintf(seed, sizeof seed, "%.*s", (int)MIN(size, sizeof seed - 1), text);
        if (!add_seed(settings, seed, complaint)) return false;
        text += size;
        if (*text == ',' && *++text == 0) return complain(complaint, "nothing follows the last comma");
    }
    return true;
}

static bool set_name(const char *const *names, uint32_t count, const char *text, uint32_t *value,
                     struct complaint *complaint)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *value = i;
        return true;
    }
    complain(complaint, "'%.40s' is none of", text);
    for (uint32_t i = 0; i < count; i++) {
        const size_t size = strlen(complaint->what);
        snprintf(complaint->what + size, sizeof complaint->what - size, "%s %s", i == 0 ? "" : ",", names[i]);
    }
    return false;
}

/* From a flag, a variable, or a string in the file. */
static bool set(struct settings *settings, const struct row *row, const char *text, struct complaint *complaint)
{
    uint32_t name = 0;

    switch (row->kind) {
    case KIND_TEXT: return set_text(settings, row, text, complaint);
    case KIND_ADDRESS:
    case KIND_OPTIONAL_ADDRESS: return set_address(settings, row, text, complaint);
    case KIND_BOOLEAN:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) return set_boolean(settings, row, text[0] == 't');
        return complain(complaint, "'%.40s' is neither true nor false", text);
    case KIND_INT32:
    case KIND_INT64:
    case KIND_UINT32:
    case KIND_SIZE32:
    case KIND_SIZE64:
    case KIND_VOTERS: return set_number_text(settings, row, text, complaint);
    case KIND_SEEDS: return set_seeds(settings, text, complaint);
    case KIND_LEVEL:
        if (!set_name(level_names, COUNT_OF(level_names), text, &name, complaint)) return false;
        settings->log_level = (enum note_level)name;
        return true;
    case KIND_FORMAT:
        if (!set_name(format_names, COUNT_OF(format_names), text, &name, complaint)) return false;
        settings->log_format = (enum log_format)name;
        return true;
    }
    CHECK(false);
    return false;
}

/* ---- the file ---- */

static bool wants(struct complaint *complaint, const char *wanted, const struct toml_value *value)
{
    return complain(complaint, "%s is wanted, not %s", wanted, toml_type_name(value->type));
}

/* A string without what no text of ours can hold. */
static bool copy_string(const struct toml_value *value, char text[1024], struct complaint *complaint)
{
    if (value->string.size >= 1024 || memchr(value->string.data, 0, value->string.size) != NULL) {
        return complain(complaint, "it is too long or has a zero byte");
    }
    memcpy(text, value->string.data, value->string.size);
    text[value->string.size] = 0;
    return true;
}

static bool set_toml_seeds(struct settings *settings, const struct toml_value *list, struct complaint *complaint)
{
    char text[1024];

    if (list->type != TOML_ARRAY) return wants(complaint, "an array of strings", list);
    settings->node.seed_count = 0;
    for (const struct toml_value *value = list->members.first; value != NULL; value = value->next) {
        if (value->type != TOML_STRING) return wants(complaint, "an array of strings", value);
        if (!copy_string(value, text, complaint) || !add_seed(settings, text, complaint)) return false;
    }
    return true;
}

static bool set_toml(struct settings *settings, const struct row *row, const struct toml_value *value,
                     struct complaint *complaint)
{
    char text[1024];

    if (row->kind == KIND_BOOLEAN) {
        if (value->type == TOML_BOOLEAN) return set_boolean(settings, row, value->boolean);
        return wants(complaint, "a boolean", value);
    }
    const bool is_size = row->kind == KIND_SIZE32 || row->kind == KIND_SIZE64;
    const bool is_number = is_size || row->kind == KIND_INT32 || row->kind == KIND_INT64 || row->kind == KIND_UINT32 ||
                           row->kind == KIND_VOTERS;
    if (row->kind == KIND_SEEDS) return set_toml_seeds(settings, value, complaint);
    if (is_number && value->type == TOML_INTEGER) return set_number(settings, row, value->integer, complaint);
    if (is_number && !is_size) return wants(complaint, "an integer", value);
    if (value->type != TOML_STRING) return wants(complaint, is_size ? "an integer or a string" : "a string", value);
    return copy_string(value, text, complaint) && set(settings, row, text, complaint);
}

static bool is_named(struct bytes key, const char *name)
{
    return key.size == strlen(name) && memcmp(key.data, name, key.size) == 0;
}

static const struct row *row_of(struct bytes section, struct bytes key)
{
    for (const struct row *row = rows; row < rows + COUNT_OF(rows); row++) {
        if (is_named(section, row->section) && is_named(key, row->key)) return row;
    }
    return NULL;
}

static bool is_section(struct bytes key)
{
    for (const struct row *row = rows; row < rows + COUNT_OF(rows); row++) {
        if (is_named(key, row->section)) return true;
    }
    return false;
}

static bool apply_section(struct settings *settings, const char *name, const struct toml_value *section, char *error)
{
    for (const struct toml_value *value = section->members.first; value != NULL; value = value->next) {
        const struct row *row = row_of(section->key, value->key);
        struct complaint complaint = { "there is no such setting" };
        if (row != NULL && set_toml(settings, row, value, &complaint)) continue;
        snprintf(error, SETTINGS_ERROR_SIZE, "%s:%u:%u: %.*s.%.*s: %s", name, value->line, value->column,
                 (int)section->key.size, (const char *)section->key.data, (int)MIN(value->key.size, 60u),
                 (const char *)value->key.data, complaint.what);
        return false;
    }
    return true;
}

/* What was said comes back in the error. Whatever it was: an error is one line. */
static bool refuse(char error[SETTINGS_ERROR_SIZE])
{
    for (char *at = error; *at != 0; at++) {
        if ((uint8_t)*at < ' ' || *at == 0x7f) *at = '?';
    }
    return false;
}

static bool apply_file(struct settings *settings, const char *name, const char *text, size_t size, char *error)
{
    struct toml_error wrong;
    struct toml *toml = toml_parse(text, size, &wrong);
    bool right = true;

    if (toml == NULL) {
        snprintf(error, SETTINGS_ERROR_SIZE, "%s:%u:%u: %s", name, wrong.line, wrong.column, wrong.message);
        return false;
    }
    for (const struct toml_value *value = toml_root(toml)->members.first; value != NULL && right; value = value->next) {
        right = value->type == TOML_TABLE && is_section(value->key);
        if (!right) {
            snprintf(error, SETTINGS_ERROR_SIZE, "%s:%u:%u: %.*s: %s", name, value->line, value->column,
                     (int)MIN(value->key.size, 60u), (const char *)value->key.data,
                     value->type == TOML_TABLE ? "there is no such section" : "a setting belongs in a section");
            break;
        }
        right = apply_section(settings, name, value, error);
    }
    toml_free(toml);
    return right;
}

bool settings_read_toml(struct settings *settings, const char *name, const char *text, size_t size,
                        char error[SETTINGS_ERROR_SIZE])
{
    return apply_file(settings, name, text, size, error) || refuse(error);
}

enum file_verdict { FILE_READ, FILE_MISSING, FILE_WRONG };

static enum file_verdict read_file(struct settings *settings, const char *path, char *error)
{
    static char text[TOML_SIZE_MAX + 1];
    size_t size = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;

    while (got > 0 && size < sizeof text) {
        got = read(fd, text + size, sizeof text - size);
        if (got > 0) size += (size_t)got;
    }
    const int reason = errno;
    if (fd >= 0) close(fd);
    if (got < 0) {
        snprintf(error, SETTINGS_ERROR_SIZE, "%.200s: cannot read it: %s", path, strerror(reason));
        return fd < 0 && reason == ENOENT ? FILE_MISSING : FILE_WRONG;
    }
    return settings_read_toml(settings, path, text, size, error) ? FILE_READ : FILE_WRONG;
}

/* ---- variables and flags ---- */

enum { NAME_SIZE = 64 };

/* Where the key alone says too little, its section stands before it. */
static const char *prefix_of(const struct row *row)
{
    return strcmp(row->key, "enabled") == 0 ? row->section : "";
}

static const char *variable_of(const struct row *row, char name[NAME_SIZE])
{
    const char *prefix = prefix_of(row);

    snprintf(name, NAME_SIZE, "CHRONIK_%s%s%s", prefix, prefix[0] == 0 ? "" : "_", row->key);
    for (char *at = name; *at != 0; at++) {
        if (*at >= 'a' && *at <= 'z') *at = (char)(*at - 'a' + 'A');
    }
    return name;
}

static const char *flag_of(const struct row *row, char name[NAME_SIZE])
{
    const char *prefix = prefix_of(row);

    snprintf(name, NAME_SIZE, "--%s%s%s", prefix, prefix[0] == 0 ? "" : "_", row->key);
    for (char *at = name; *at != 0; at++) {
        if (*at == '_') *at = '-';
    }
    return name;
}

static bool read_environment(struct settings *settings, char *const *environment, char *error)
{
    char name[NAME_SIZE];

    for (const struct row *row = rows; row < rows + COUNT_OF(rows); row++) {
        const size_t size = strlen(variable_of(row, name));
        for (char *const *at = environment; *at != NULL; at++) {
            struct complaint complaint;
            if (strncmp(*at, name, size) != 0 || (*at)[size] != '=') continue;
            if (set(settings, row, *at + size + 1, &complaint)) continue;
            snprintf(error, SETTINGS_ERROR_SIZE, "%s: %s", name, complaint.what);
            return false;
        }
    }
    return true;
}

/* "--flag=value", or "--flag" with its value in the next argument. NULL: another flag. */
static const char *value_of(char *const **at, const char *flag)
{
    const size_t size = strlen(flag);

    if (strncmp(**at, flag, size) != 0) return NULL;
    if ((**at)[size] == '=') return **at + size + 1;
    if ((**at)[size] != 0) return NULL;
    return (*at)[1] == NULL ? "" : *++*at;
}

static const struct row *row_of_flag(char *const **at, const char **value)
{
    char flag[NAME_SIZE];

    for (const struct row *row = rows; row < rows + COUNT_OF(rows); row++) {
        *value = value_of(at, flag_of(row, flag));
        if (*value != NULL) return row;
    }
    return NULL;
}

static bool read_arguments(struct settings *settings, char *const *arguments, char *error)
{
    for (char *const *at = arguments; *at != NULL; at++) {
        const char *flag = *at, *value = NULL;
        struct complaint complaint = { "there is no such flag; --help lists them" };
        if (value_of(&at, "--config") != NULL) continue;
        const struct row *row = row_of_flag(&at, &value);
        if (row != NULL && set(settings, row, value, &complaint)) continue;
        snprintf(error, SETTINGS_ERROR_SIZE, "%.*s: %s", (int)MIN(strcspn(flag, "="), 80u), flag, complaint.what);
        return false;
    }
    return true;
}

/* The file that --config names, else the first that is there. */
static bool read_files(struct settings *settings, const struct settings_sources *sources, char *error)
{
    for (char *const *at = sources->arguments; *at != NULL; at++) {
        const char *path = value_of(&at, "--config");
        if (path != NULL) return read_file(settings, path, error) == FILE_READ;
    }
    for (const char *const *path = sources->files; *path != NULL; path++) {
        const enum file_verdict verdict = read_file(settings, *path, error);
        if (verdict != FILE_MISSING) return verdict == FILE_READ;
    }
    return true;
}

enum settings_verdict settings_read(struct settings *settings, const struct settings_sources *sources,
                                    char error[SETTINGS_ERROR_SIZE])
{
    for (char *const *at = sources->arguments; *at != NULL; at++) {
        if (strcmp(*at, "--help") == 0 || strcmp(*at, "-h") == 0) return SETTINGS_HELP;
    }
    const bool right = read_files(settings, sources, error) &&
                       read_environment(settings, sources->environment, error) &&
                       read_arguments(settings, sources->arguments, error);
    if (!right) refuse(error);
    return right ? SETTINGS_READ : SETTINGS_WRONG;
}

/* ---- help ---- */

static void format_size(uint64_t size, char *text, size_t text_size)
{
    if (size >= GIB && size % GIB == 0) snprintf(text, text_size, "%" PRIu64 "GiB", (uint64_t)(size / GIB));
    else if (size >= MIB && size % MIB == 0) snprintf(text, text_size, "%" PRIu64 "MiB", size / MIB);
    else if (size >= KIB && size % KIB == 0) snprintf(text, text_size, "%" PRIu64 "KiB", size / KIB);
    else snprintf(text, text_size, "%" PRIu64, size);
}

static const char *format_value(const struct settings *settings, const struct row *row, char *text, size_t size)
{
    const void *place = (const char *)settings + row->place;
    const struct address *address = place;
    char formatted[ADDRESS_TEXT_SIZE];

    switch (row->kind) {
    case KIND_TEXT: snprintf(text, size, "%s", (const char *)place); break;
    case KIND_ADDRESS:
    case KIND_OPTIONAL_ADDRESS:
        snprintf(text, size, "%s", address->host[0] == 0 ? "" : address_format(address, formatted));
        break;
    case KIND_BOOLEAN: snprintf(text, size, "%s", *(const bool *)place ? "true" : "false"); break;
    case KIND_INT32: snprintf(text, size, "%" PRId32, *(const int32_t *)place); break;
    case KIND_INT64: snprintf(text, size, "%" PRId64, *(const int64_t *)place); break;
    case KIND_UINT32:
    case KIND_VOTERS: snprintf(text, size, "%" PRIu32, *(const uint32_t *)place); break;
    case KIND_SEEDS: text[0] = 0; break; /* there are none by default */
    case KIND_SIZE32: format_size(*(const uint32_t *)place, text, size); break;
    case KIND_SIZE64: format_size(*(const uint64_t *)place, text, size); break;
    case KIND_LEVEL: snprintf(text, size, "%s", level_names[settings->log_level]); break;
    case KIND_FORMAT: snprintf(text, size, "%s", format_names[settings->log_format]); break;
    }
    return text;
}

void settings_print_names(FILE *file)
{
    char flag[NAME_SIZE];

    for (const struct row *row = rows; row < rows + COUNT_OF(rows); row++) fprintf(file, "%s ", flag_of(row, flag));
    fputs("--config --help", file);
}

void settings_print(FILE *file)
{
    struct settings settings;
    const char *section = "";

    settings_init(&settings);
    for (const struct row *row = rows; row < rows + COUNT_OF(rows); row++) {
        char flag[NAME_SIZE], value[1100];
        if (strcmp(section, row->section) != 0) fprintf(file, "\n[%s]\n", row->section);
        section = row->section;
        format_value(&settings, row, value, sizeof value);
        fprintf(file, "  %-33s %s%s%s%s\n", flag_of(row, flag), row->help, value[0] == 0 ? "" : " (", value,
                value[0] == 0 ? "" : ")");
    }
}
