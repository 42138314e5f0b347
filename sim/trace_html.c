#include "sim/likelihood.h"
#include "sim/timeline_page.h"
#include "sim/trace_files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVENTS_MAX = 40 * 1000, /* a browser still draws them at once */
    LANES_MAX = 200,
};

/* A list in the making: entries from now on are of this name. */
struct list {
    FILE *file;
    const char *before;
};

static void begin(struct list *list, const char *name)
{
    fprintf(list->file, ",\n\"%s\":[", name);
    list->before = "";
}

static void entry(struct list *list)
{
    fputs(list->before, list->file);
    list->before = ",\n";
}

static uint32_t lane(uint32_t machine)
{
    return machine == MACHINE_NONE ? 0 : machine + 1;
}

static void put_set(FILE *file, int64_t bits)
{
    const char *before = "";

    fputc('[', file);
    for (uint32_t i = 0; i < 63; i++) {
        if ((bits >> i & 1) == 0) continue;
        fprintf(file, "%s%u", before, i + 1);
        before = ",";
    }
    fputc(']', file);
}

/* ---- the lists ---- */

static void put_events(const struct tape *tape, uint64_t from, struct list *list)
{
    begin(list, "events");
    for (uint64_t i = from; i < tape->next; i++) {
        const struct tape_item *item = tape_at(tape, i);
        if (item->kind != TAPE_EVENT) continue;
        entry(list);
        fprintf(list->file, "[%" PRIu64 ",%" PRIu64 ",%u,", item->event, item->time_ns, lane(item->machine));
        json_string(list->file, item->text);
        fprintf(list->file, ",%" PRIu64 "]", item->cause);
    }
    fputc(']', list->file);
}

static void put_words(const struct tape *tape, uint64_t from, struct list *list)
{
    static const char kinds[] = { [TAPE_ORDER] = 'o', [TAPE_NOTE] = 'n',   [TAPE_CLIENT] = 'c', [TAPE_FAULT] = 'f',
                                  [TAPE_PHASE] = 'p', [TAPE_SHADOW] = 's', [TAPE_VERDICT] = 'v' };

    begin(list, "words");
    for (uint64_t i = from; i < tape->next; i++) {
        const struct tape_item *item = tape_at(tape, i);
        if (kinds[item->kind] == 0) continue;
        entry(list);
        fprintf(list->file, "[%" PRIu64 ",%" PRIu64 ",%u,\"%c\",", item->event, item->time_ns, lane(item->machine),
                kinds[item->kind]);
        json_string(list->file, item->text);
        fputc(']', list->file);
    }
    fputc(']', list->file);
}

static void put_messages(const struct tape *tape, uint64_t from, struct list *list)
{
    begin(list, "messages");
    for (uint64_t i = from; i < tape->next; i++) {
        const struct tape_item *item = tape_at(tape, i);
        const int64_t *values = item->values;
        if (item->kind != TAPE_MESSAGE) continue;
        entry(list);
        fprintf(list->file, "[%" PRId64 ",%" PRIu64 ",%u,%u,", values[MESSAGE_SENT_NS], item->time_ns,
                lane(item->machine), lane((uint32_t)values[MESSAGE_TO]));
        json_string(list->file, item->text);
        fprintf(list->file, ",%" PRId64 ",%" PRId64 ",%" PRIu64 ",%" PRId64 "]", values[MESSAGE_SIZE],
                values[MESSAGE_SENT_EVENT], item->event, values[MESSAGE_CLIENT]);
    }
    fputc(']', list->file);
}

static void put_standing(const struct tape_item *item, uint64_t event, struct list *list)
{
    const int64_t *values = item->values;

    entry(list);
    if (item->kind == TAPE_PARTITION) {
        fprintf(list->file, "[%" PRIu64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",", event, values[PARTITION_NUMBER],
                values[PARTITION_LEADER], values[PARTITION_EPOCH]);
        put_set(list->file, values[PARTITION_ISR]);
        fputc(',', list->file);
        put_set(list->file, values[PARTITION_REPLICAS]);
    } else {
        fprintf(list->file, "[%" PRIu64 ",%u", event, lane(item->machine));
        for (int i = 0; i < (item->kind == TAPE_NODE ? 5 : TAPE_VALUES); i++) {
            fprintf(list->file, ",%" PRId64, values[i]);
        }
    }
    fputc(']', list->file);
}

/* Whose standing it is, as a number below key_max. */
static size_t key_of(const struct tape *tape, const struct tape_item *item)
{
    if (item->kind == TAPE_NODE) return item->machine;
    if (item->kind == TAPE_PARTITION) return (size_t)item->values[PARTITION_NUMBER];
    return (size_t)item->machine * tape->partition_max + (size_t)item->values[REPLICA_PARTITION];
}

/* How everybody stood when the page begins, and what changed since. */
static void put_standings(const struct tape *tape, uint64_t from, enum tape_kind kind, const char *name,
                          struct list *list)
{
    const size_t key_max = (size_t)(tape->node_max + 1) * (tape->partition_max + 1);
    uint64_t *last = calloc(key_max, sizeof *last);

    begin(list, name);
    for (uint64_t i = tape->first; i < from; i++) {
        if (tape_at(tape, i)->kind == kind) last[key_of(tape, tape_at(tape, i))] = i + 1;
    }
    for (size_t key = 0; key < key_max; key++) {
        if (last[key] != 0) put_standing(tape_at(tape, last[key] - 1), 0, list);
    }
    for (uint64_t i = from; i < tape->next; i++) {
        if (tape_at(tape, i)->kind == kind) put_standing(tape_at(tape, i), tape_at(tape, i)->event, list);
    }
    fputc(']', list->file);
    free(last);
}

static void put_partitions(const struct tape *tape, struct list *list)
{
    char name[64];

    begin(list, "parts");
    for (uint32_t i = 0; i < tape->run->plane.partition_count; i++) {
        tape_partition_name(tape->run, i, name);
        entry(list);
        json_string(list->file, name);
    }
    fputc(']', list->file);
}

/* When it became how likely that it fails, and behind which of these points most of it. */
static void put_likelihood(const struct likelihood *likelihood, struct list *list)
{
    if (likelihood == NULL) return;
    fprintf(list->file, ",\"decided\":%u", likelihood->decided);
    begin(list, "likelihood");
    for (uint32_t i = 0; i < likelihood->count; i++) {
        const struct likelihood_point *point = &likelihood->points[i];
        entry(list);
        fprintf(list->file, "[%" PRIu64 ",%" PRIu64 ",%u,%u]", point->event, point->time_ns, point->alike,
                point->tried);
    }
    fputc(']', list->file);
}

/* ---- the page ---- */

/* Where the last EVENTS_MAX events begin. */
static uint64_t first_item(const struct tape *tape)
{
    uint64_t from = tape->next, events = 0;

    for (; from > tape->first && events < EVENTS_MAX; from--) events += tape_at(tape, from - 1)->kind == TAPE_EVENT;
    return from;
}

static void put_run(const struct tape *tape, FILE *file)
{
    struct list list = { .file = file };
    const uint64_t from = first_item(tape);
    const struct tape_item *verdict = tape_at(tape, tape->next - 1);
    const char *colon = verdict->text == NULL ? NULL : strchr(verdict->text, ':');
    const uint32_t nodes = MIN(tape->run->world.machine_count, (uint32_t)LANES_MAX);
    char text[300];

    fprintf(file, "{\"seed\":\"%" PRIu64 "\",\"nodes\":%u,\"end\":%" PRIu64 ",\"verdict\":", tape->run->world.seed,
            nodes, tape->run->world.now_ns);
    json_string(file, verdict->text);
    snprintf(text, sizeof text, "%.*s", colon == NULL ? 0 : (int)(colon - verdict->text), verdict->text);
    fputs(",\"rule\":", file);
    json_string(file, text);
    text[0] = 0;
    if (from > 0) {
        snprintf(text, sizeof text,
                 "of %" PRIu64 " events the last %d are here; --until N makes a page that ends with event N. ",
                 tape->event, EVENTS_MAX);
    }
    if (nodes < tape->run->world.machine_count) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "Of %u nodes the first %u are here.", tape->run->world.machine_count,
                 nodes);
    }
    fputs(",\"cut\":", file);
    json_string(file, text);
    if (tape->focus == UINT32_MAX) fputs(",\"focus\":null", file);
    else fprintf(file, ",\"focus\":%u", tape->focus);
    put_likelihood(tape->likelihood, &list);
    put_partitions(tape, &list);
    put_events(tape, from, &list);
    put_words(tape, from, &list);
    put_messages(tape, from, &list);
    put_standings(tape, from, TAPE_NODE, "status", &list);
    put_standings(tape, from, TAPE_REPLICA, "replicas", &list);
    put_standings(tape, from, TAPE_PARTITION, "partitions", &list);
    fputc('}', file);
}

void trace_write_html(const struct tape *tape, FILE *file)
{
    static const char here[] = "@RUN@";
    const char *at = strstr(timeline_page, here);

    fwrite(timeline_page, 1, (size_t)(at - timeline_page), file);
    put_run(tape, file);
    fputs(at + sizeof here - 1, file);
}
