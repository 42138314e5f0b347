#include "sim/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_OF_knobs(name) offsetof(struct knobs, name), sizeof((struct knobs *)NULL)->name
#define FIELD_OF_config(name) offsetof(struct config, name), sizeof((struct config *)NULL)->name

static const struct row {
    const char *name;
    bool is_config;
    size_t offset, size;
    int64_t least, most;
} rows[SETTING_COUNT] = {
#define IS_CONFIG_knobs false
#define IS_CONFIG_config true
#define X(name, of, least, most) { #name, IS_CONFIG_##of, FIELD_OF_##of(name), least, most },
    EACH_SETTING(X)
#undef X
};

void settings_give(struct settings *settings, enum setting setting, int64_t value)
{
    settings->count += !settings->given[setting];
    settings->given[setting] = true;
    settings->values[setting] = value;
}

/* Fields are flags, numbers of 32 bits that all fit into signed ones, or of 64. */
static int64_t load(const struct row *row, const void *from)
{
    const char *at = (const char *)from + row->offset;
    int32_t small;
    int64_t large;

    if (row->size == sizeof(bool)) return *(const bool *)at;
    if (row->size == sizeof small) {
        memcpy(&small, at, sizeof small);
        return small;
    }
    memcpy(&large, at, sizeof large);
    return large;
}

static void store(const struct row *row, void *into, int64_t value)
{
    char *at = (char *)into + row->offset;
    const int32_t small = (int32_t)value;

    if (row->size == sizeof(bool)) *(bool *)at = value != 0;
    else if (row->size == sizeof small) memcpy(at, &small, sizeof small);
    else memcpy(at, &value, sizeof value);
}

void settings_take(struct settings *settings, const struct knobs *knobs, const struct config *config)
{
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        settings_give(settings, i, load(&rows[i], rows[i].is_config ? (const void *)config : (const void *)knobs));
    }
}

void settings_apply(const struct settings *settings, struct knobs *knobs, struct config *config)
{
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        if (!settings->given[i]) continue;
        store(&rows[i], rows[i].is_config ? (void *)config : (void *)knobs, settings->values[i]);
    }
    if (!knobs->retention) { /* the judge is told that nothing goes by itself, so nothing may */
        struct config usual;
        config_init(&usual);
        config->log_retention_ms = usual.log_retention_ms;
        config->log_retention_size = usual.log_retention_size;
    }
    if (settings->given[SETTING_partitions]) config->num_partitions = (int32_t)knobs->partitions;
}

const char *settings_contradiction(const struct settings *settings, uint64_t seed, const struct wishes *wishes)
{
    struct knobs knobs;
    struct config common, config;

    knobs_draw(&knobs, &common, seed, wishes);
    settings_apply(settings, &knobs, &common);
    if (knobs.topics * knobs.partitions > TARGETS_MAX) return "more partitions than a client can know";
    if (knobs.voters % 2 == 0) return "an even number of voters";
    if (knobs.replicas > 0 && (knobs.min_isr == 0 || knobs.lag_ms == 0)) return "replicas without min_isr and lag_ms";
    if (knobs.peer_links < 2 * (knobs.nodes + knobs.joiners)) return "fewer peer links than nodes need";
    if (knobs.producers + knobs.idempotent_producers + knobs.consumers + knobs.administrators > JUDGED_PRODUCERS_MAX) {
        return "more clients than the judge can know";
    }
    knobs_config(&knobs, &common, 0, &config);
    return config_contradiction(&config);
}

uint32_t settings_format(const struct settings *settings, uint32_t from, char *text, uint32_t size)
{
    uint32_t used = 0, i;

    text[0] = 0;
    for (i = from; i < SETTING_COUNT; i++) {
        char one[64];
        if (!settings->given[i]) continue;
        const int length =
            snprintf(one, sizeof one, "%s%s=%lld", used == 0 ? "" : " ", rows[i].name, (long long)settings->values[i]);
        if (used + (uint32_t)length >= size) break;
        memcpy(text + used, one, (size_t)length + 1);
        used += (uint32_t)length;
    }
    return i;
}

bool settings_parse(struct settings *settings, const char *text, const char **problem)
{
    const char *equals = strchr(text, '=');
    const size_t length = equals == NULL ? 0 : (size_t)(equals - text);
    char *end;

    *problem = "no such setting";
    for (enum setting i = 0; i < SETTING_COUNT && length > 0; i++) {
        if (strlen(rows[i].name) != length || memcmp(rows[i].name, text, length) != 0) continue;
        errno = 0;
        const int64_t value = strtoll(equals + 1, &end, 10);
        *problem = "not a number";
        if (errno != 0 || end == equals + 1 || *end != 0) return false;
        *problem = "out of range";
        if (value < rows[i].least || value > rows[i].most) return false;
        *problem = "given twice";
        if (settings->given[i]) return false;
        settings_give(settings, i, value);
        return true;
    }
    return false;
}
