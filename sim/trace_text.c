#include "sim/trace_text.h"

#include "base/bytes.h"

#include <inttypes.h>
#include <string.h>

enum { COLUMNS_MAX = 9, HEAD_EVERY = 50, WHAT_WIDTH = 58 };

static void head(struct tape *tape)
{
    const uint32_t nodes = tape->run->world.machine_count;

    if (tape->text_lines++ % HEAD_EVERY != 0) return;
    fprintf(tape->text, "%8s %11s %-4s %-*s %-12s %-9s", "event", "time", "node", WHAT_WIDTH, "what", "partition",
            "isr");
    for (uint32_t i = 0; i < nodes && i < COLUMNS_MAX; i++) fprintf(tape->text, "| n%-16u", i + 1);
    fputs(nodes > COLUMNS_MAX ? "| and more\n" : "\n", tape->text);
}

static void put_isr(struct tape *tape)
{
    char name[64] = "-", isr[64] = "-";
    uint32_t used = 0;

    if (tape->focus != UINT32_MAX) {
        const uint64_t bits = (uint64_t)tape->partitions[tape->focus].values[PARTITION_ISR];
        tape_partition_name(tape->run, tape->focus, name);
        for (uint32_t i = 0; i < 63 && used < 50; i++) {
            if ((bits >> i & 1) != 0) used += (uint32_t)snprintf(isr + used, sizeof isr - used, ",%u", i + 1);
        }
    }
    fprintf(tape->text, "%-12.12s %-9.9s", name, isr[0] == ',' ? isr + 1 : isr);
}

static void put_node(struct tape *tape, uint32_t number)
{
    static const char states[] = {
        [STATE_DOWN] = 'x', [STATE_STARTING] = 's', [STATE_STOPPING] = 'e', [STATE_HALTED] = '!', [STATE_SERVING] = '?'
    };
    static const char roles[] = { [ROLE_NONE] = '-', [ROLE_FOLLOWS] = 'F', [ROLE_STANDS] = 'C', [ROLE_LEADS] = 'L' };
    const struct node_seen *node = &tape->nodes[number];
    char offsets[32] = "";

    if (!node->seen) {
        fprintf(tape->text, "| %-17s", "");
        return;
    }
    const enum tape_state state = (enum tape_state)node->values[NODE_STATE];
    const char letter = state == STATE_SERVING ? roles[node->values[NODE_ROLE]] : states[state];
    if (tape->focus != UINT32_MAX) {
        const struct node_seen *replica = &tape->replicas[(size_t)number * tape->partition_max + tape->focus];
        if (replica->seen) {
            snprintf(offsets, sizeof offsets, "%" PRId64 "/%" PRId64 "%s", replica->values[REPLICA_HIGH_WATERMARK],
                     replica->values[REPLICA_END], replica->values[REPLICA_LEADS] ? "*" : "");
        }
    }
    fprintf(tape->text, "| %c%-2" PRId64 "%4" PRId64 " %-9.9s", letter, node->values[NODE_TERM],
            node->values[NODE_COMMIT], offsets);
}

static void put_line(const struct tape *tape, uint64_t time_ns, const char *mark, const char *text)
{
    fprintf(tape->text, "%8s %11.6f %s%s\n", "", (double)time_ns / 1e9, mark, text);
}

static void put_item(const struct tape *tape, const struct tape_item *item)
{
    static const char *const marks[] = { [TAPE_ORDER] = "     > ", [TAPE_NOTE] = "     ", [TAPE_CLIENT] = "  ",
                                         [TAPE_FAULT] = "! ",      [TAPE_PHASE] = "== ",  [TAPE_SHADOW] = "  " };

    if (item->kind == TAPE_ORDER && !tape->text_orders) return;
    if (item->kind < COUNT_OF(marks) && marks[item->kind] != NULL && item->text != NULL) {
        put_line(tape, item->time_ns, marks[item->kind], item->text);
    }
}

/* What it was told, which messages that made whole, and what it ordered. */
static void format_what(const struct tape *tape, char *what, size_t size)
{
    size_t used = (size_t)snprintf(what, size, "%s", tape->current->text == NULL ? "" : tape->current->text);

    for (uint64_t i = tape->current_number + 1; i < tape->next && used < size; i++) {
        const struct tape_item *item = tape_at(tape, i);
        if (item->kind != TAPE_MESSAGE || item->values[MESSAGE_TO] != tape->current->machine) continue;
        if (item->machine == MACHINE_NONE) {
            used += (size_t)snprintf(what + used, size - used, ": %s of client %" PRId64, item->text,
                                     item->values[MESSAGE_CLIENT]);
        } else {
            used += (size_t)snprintf(what + used, size - used, ": %s of n%u", item->text, item->machine + 1);
        }
    }
    if (used < size) snprintf(what + used, size - used, "%s", tape->orders);
}

void trace_text_event(struct tape *tape)
{
    char what[200];

    if (tape->current == NULL) return;
    head(tape);
    format_what(tape, what, sizeof what);
    fprintf(tape->text, "%8" PRIu64 " %11.6f n%-3u %-*.*s ", tape->event, (double)tape->current->time_ns / 1e9,
            tape->current->machine + 1, WHAT_WIDTH, WHAT_WIDTH, what);
    put_isr(tape);
    for (uint32_t i = 0; i < tape->node_max && i < COLUMNS_MAX; i++) put_node(tape, i);
    fputc('\n', tape->text);
    for (uint64_t i = tape->current_number + 1; i < tape->next; i++) put_item(tape, tape_at(tape, i));
    tape->current = NULL;
}

void trace_text_line(struct tape *tape, const char *text)
{
    if (tape->current != NULL) return; /* it comes behind its event */
    put_line(tape, tape->run->world.now_ns, "", text);
}
