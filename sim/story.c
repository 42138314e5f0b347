#include "sim/story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct line {
    uint64_t time_ns, event;
    uint32_t weight; /* 0: not told */
    char text[200];
};

struct lines {
    struct line *list;
    uint32_t count, max;
    uint64_t end;       /* number of the last item: what is near to it matters more */
    char partition[16]; /* "-3": what the judge speaks of; "": of none */
};

enum {
    WEIGHT_VERDICT = 1000,
    WEIGHT_FAULT = 500,
    WEIGHT_DOWN = 400,
    WEIGHT_LEADER = 300,
    WEIGHT_UP = 250,
    WEIGHT_ISR = 200,
    WEIGHT_WORD = 50,
    WEIGHT_NEAR = 100,
    NEAR_ITEMS = 60
};

__attribute__((format(printf, 4, 5))) static void tell(struct lines *lines, const struct tape_item *item,
                                                       uint32_t weight, const char *format, ...)
{
    va_list list;

    if (lines->count == lines->max) {
        lines->max = lines->max == 0 ? 256 : lines->max * 2;
        lines->list = realloc(lines->list, lines->max * sizeof *lines->list);
    }
    struct line *line = &lines->list[lines->count++];
    *line = (struct line){ .time_ns = item->time_ns, .event = item->event, .weight = weight };
    va_start(list, format);
    vsnprintf(line->text, sizeof line->text, format, list);
    va_end(list);
}

/* ---- what is worth a line ---- */

static void tell_node(struct lines *lines, const struct tape_item *item, const struct node_seen *before)
{
    const enum tape_state was = before->seen ? (enum tape_state)before->values[NODE_STATE] : STATE_DOWN;
    const enum tape_state is = (enum tape_state)item->values[NODE_STATE];
    const bool led = before->seen && before->values[NODE_ROLE] == ROLE_LEADS;
    const uint32_t node = item->machine + 1;

    if (is != was && is == STATE_DOWN) {
        tell(lines, item, WEIGHT_DOWN, "n%u is down%s", node, led ? ", which led the metadata group" : "");
    } else if (is != was && is == STATE_HALTED) {
        tell(lines, item, WEIGHT_DOWN, "n%u ends itself", node);
    } else if (is != was && is == STATE_SERVING) {
        tell(lines, item, WEIGHT_UP, "n%u serves", node);
    }
    if (item->values[NODE_ROLE] == ROLE_LEADS && !led) {
        tell(lines, item, WEIGHT_LEADER, "n%u leads the metadata group in term %" PRId64, node,
             item->values[NODE_TERM]);
    }
}

static void put_set(char *text, size_t size, int64_t bits)
{
    size_t used = 0;

    text[0] = 0;
    for (uint32_t i = 0; i < 63 && used + 8 < size; i++) {
        if ((bits >> i & 1) != 0)
            used += (size_t)snprintf(text + used, size - used, "%sn%u", used > 0 ? "," : "", i + 1);
    }
    if (used == 0) snprintf(text, size, "nobody");
}

static void tell_partition(struct lines *lines, const struct run *run, const struct tape_item *item,
                           const struct node_seen *before)
{
    char name[64], isr[64], leader[16] = "nobody leads it";
    tape_partition_name(run, (uint32_t)item->values[PARTITION_NUMBER], name); /* as it is known by now */
    const size_t size = strlen(lines->partition), name_size = strlen(name);
    const bool is_it = size == 0 || (name_size > size && strcmp(name + name_size - size, lines->partition) == 0);
    const bool new_leader = !before->seen || before->values[PARTITION_LEADER] != item->values[PARTITION_LEADER];
    const bool new_isr = before->seen && before->values[PARTITION_ISR] != item->values[PARTITION_ISR];

    put_set(isr, sizeof isr, item->values[PARTITION_ISR]);
    if (item->values[PARTITION_LEADER] >= 1) {
        snprintf(leader, sizeof leader, "n%u leads", (unsigned)item->values[PARTITION_LEADER]);
    }
    const uint32_t weight = new_leader ? WEIGHT_LEADER : new_isr ? WEIGHT_ISR : 0;
    if (weight == 0) return;
    tell(lines, item, is_it ? weight : WEIGHT_WORD, "%s: %s in epoch %" PRId64 "; in sync: %s", name, leader,
         item->values[PARTITION_EPOCH], isr);
}

static void tell_item(struct lines *lines, const struct tape *tape, uint64_t number, struct node_seen *nodes,
                      struct node_seen *partitions)
{
    const struct tape_item *item = tape_at(tape, number);
    const uint32_t near = lines->end - number < NEAR_ITEMS ? WEIGHT_NEAR : 0;
    struct node_seen *seen;

    switch (item->kind) {
    case TAPE_NODE:
        seen = &nodes[item->machine];
        tell_node(lines, item, seen);
        *seen = (struct node_seen){ .seen = true };
        memcpy(seen->values, item->values, sizeof seen->values);
        break;
    case TAPE_PARTITION:
        seen = &partitions[item->values[PARTITION_NUMBER]];
        tell_partition(lines, tape->run, item, seen);
        *seen = (struct node_seen){ .seen = true };
        memcpy(seen->values, item->values, sizeof seen->values);
        break;
    case TAPE_FAULT: tell(lines, item, WEIGHT_FAULT, "fault: %s", item->text); break;
    case TAPE_PHASE: tell(lines, item, WEIGHT_UP, "the run goes on to: %s", item->text); break;
    case TAPE_NOTE: tell(lines, item, WEIGHT_WORD + near, "n%u: %s", item->machine + 1, item->text); break;
    case TAPE_SHADOW:
        if (item->text[0] == '-') tell(lines, item, WEIGHT_WORD + near, "%.150s", item->text + 3);
        else if (near > 0) tell(lines, item, WEIGHT_WORD + near, "  there: %.150s", item->text);
        break;
    case TAPE_CLIENT:
        if (strncmp(item->text, "partition", 9) == 0) break; /* told as such */
        tell(lines, item, WEIGHT_WORD + near, "%.150s", item->text);
        break;
    case TAPE_VERDICT: tell(lines, item, WEIGHT_VERDICT, "the judge: %.180s", item->text); break;
    case TAPE_EVENT:
    case TAPE_ORDER:
    case TAPE_MESSAGE:
    case TAPE_REPLICA: break;
    }
}

/* ---- which of them ---- */

static int by_weight(const void *a, const void *b)
{
    const struct line *x = *(const struct line *const *)a, *y = *(const struct line *const *)b;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    return x > y ? -1 : x < y; /* the later one tells more */
}

/* Whether two lines say the same but for their numbers. */
static bool same_words(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "0123456789");
        b += strspn(b, "0123456789");
        if (*a != *b) return false;
        if (*a == 0) return true;
    }
}

/* Of words that come again and again the last two are enough. */
static void drop_repetitions(struct lines *lines)
{
    enum { TOLD = 2 };

    for (uint32_t i = lines->count; i-- > 0;) {
        struct line *line = &lines->list[i];
        uint32_t later = 0;
        if (line->weight >= WEIGHT_ISR) continue;
        for (uint32_t j = i + 1; j < lines->count && later < TOLD; j++) {
            later += lines->list[j].weight > 0 && same_words(line->text, lines->list[j].text);
        }
        if (later == TOLD) line->weight = 0;
    }
}

/* Leaves the weight of those that are told. */
static void choose(struct lines *lines)
{
    drop_repetitions(lines);
    struct line **sorted = calloc(lines->count + 1, sizeof *sorted);

    for (uint32_t i = 0; i < lines->count; i++) sorted[i] = &lines->list[i];
    qsort(sorted, lines->count, sizeof *sorted, by_weight);
    for (uint32_t i = STORY_LINES - 1; i < lines->count; i++) sorted[i]->weight = 0; /* one is for how it begins */
    free(sorted);
}

static void print_begin(const struct run *run, FILE *file)
{
    const struct knobs *knobs = &run->knobs;

    fprintf(file, "seed %" PRIu64 ": %u node%s%s, %u topic%s with %u partition%s", run->world.seed, knobs->nodes,
            knobs->nodes == 1 ? "" : "s", knobs->joiners > 0 ? " and some who may join" : "", knobs->topics,
            knobs->topics == 1 ? "" : "s", knobs->partitions, knobs->partitions == 1 ? "" : "s");
    if (knobs->replicas > 0) fprintf(file, " of %u replicas", knobs->replicas);
    fprintf(file, "; %u producers, %u consumers, %u administrators; %u faults\n",
            knobs->producers + knobs->idempotent_producers, knobs->consumers, knobs->administrators,
            run->schedule.count);
}

void story_print(const struct tape *tape, FILE *file)
{
    struct lines lines = { .end = tape->next - 1 };
    struct node_seen *nodes = calloc(tape->node_max + 1, sizeof *nodes);
    struct node_seen *partitions = calloc(tape->partition_max + 1, sizeof *partitions);
    const char *verdict = tape_at(tape, lines.end)->text, *of = verdict == NULL ? NULL : strstr(verdict, "partition ");

    if (of != NULL) snprintf(lines.partition, sizeof lines.partition, "-%d", atoi(of + 10));
    for (uint64_t i = tape->first; i < tape->next; i++) tell_item(&lines, tape, i, nodes, partitions);
    choose(&lines);
    print_begin(tape->run, file);
    for (uint32_t i = 0; i < lines.count; i++) {
        const struct line *line = &lines.list[i];
        if (line->weight == 0) continue;
        fprintf(file, "%11.6f s, event %-8" PRIu64 " %s\n", (double)line->time_ns / 1e9, line->event, line->text);
    }
    free(lines.list);
    free(nodes);
    free(partitions);
}
