#include "sim/tape.h"

#include "base/bytes.h"
#include "base/check.h"
#include "raft/raft.h"
#include "sim/trace_text.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

/* ---- items ---- */

struct tape_item *tape_add(struct tape *tape, enum tape_kind kind, uint32_t machine, const char *text)
{
    struct tape_item *item = &tape->items[tape->next % TAPE_ITEMS];

    if (tape->next - tape->first == TAPE_ITEMS) {
        if (tape->current == item) tape->current = NULL;
        free(item->text);
        tape->first++;
    }
    tape->next++;
    *item = (struct tape_item){ .kind = kind,
                                .machine = machine,
                                .time_ns = tape->run->world.now_ns,
                                .event = tape->event,
                                .text = text == NULL ? NULL : strdup(text) };
    return item;
}

/* ---- lines that others write ---- */

/* "[time] 2 < ..." is what a node is told, '>' what it orders, ' ' what it says; the rest is nobody's. */
static void take_node_line(struct tape *tape, const char *line)
{
    char *end;
    const uint32_t machine = (uint32_t)strtoul(line, &end, 10) - 1;

    if (strlen(end) < 3) return;
    const char mark = end[1], *text = end + 3;
    if (mark == '<') {
        if (tape->current != NULL) tape->current->text = strdup(text);
        return;
    }
    tape_add(tape, mark == '>' ? TAPE_ORDER : TAPE_NOTE, machine, text);
    if (mark != '>' || strncmp(text, "receive ", 8) == 0) return; /* every link that is not slowed down has one */
    const size_t used = strlen(tape->orders);
    snprintf(tape->orders + used, sizeof tape->orders - used, "; %s", text);
}

static void take_line(struct tape *tape, const char *line)
{
    const char *text = strstr(line, "] ");

    if (line[0] != '[' || text == NULL) return; /* more of what the line before says */
    text += 2;
    if (text[0] == '-' && text[1] == '-') tape->in_shadow = true;
    if (tape->in_shadow) tape_add(tape, TAPE_SHADOW, MACHINE_NONE, text);
    else if (*text >= '0' && *text <= '9') take_node_line(tape, text);
    else if (*text == '!') tape_add(tape, TAPE_FAULT, MACHINE_NONE, text + 2);
    else if (*text == '=') tape_add(tape, TAPE_PHASE, MACHINE_NONE, text + 3);
    else tape_add(tape, TAPE_CLIENT, MACHINE_NONE, text + strspn(text, " "));
    if (tape->text != NULL) trace_text_line(tape, text);
}

static ssize_t on_write(void *cookie, const char *bytes, size_t size)
{
    struct tape *tape = cookie;

    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (tape->line_size + 1 < sizeof tape->line) tape->line[tape->line_size++] = bytes[i];
            continue;
        }
        tape->line[tape->line_size] = 0;
        tape->line_size = 0;
        take_line(tape, tape->line);
    }
    return (ssize_t)size;
}

struct tape *tape_new(struct run *run)
{
    struct tape *tape = calloc(1, sizeof *tape);

    tape->run = run;
    tape->items = calloc(TAPE_ITEMS, sizeof *tape->items);
    tape->focus = UINT32_MAX;
    tape->lines = fopencookie(tape, "w", (cookie_io_functions_t){ .write = on_write });
    setvbuf(tape->lines, NULL, _IOLBF, 1024);
    tape->links = tape_links_new();
    return tape;
}

void tape_free(struct tape *tape)
{
    fclose(tape->lines);
    for (uint64_t i = tape->first; i < tape->next; i++) free(tape->items[i % TAPE_ITEMS].text);
    free(tape->items);
    tape_links_free(tape->links);
    free(tape->nodes);
    free(tape->replicas);
    free(tape->partitions);
    free(tape);
}

/* ---- how everybody stands ---- */

static void grow(struct tape *tape)
{
    const uint32_t nodes = tape->run->world.machine_count, partitions = tape->run->plane.partition_count;
    const uint32_t node_max = tape->node_max, partition_max = tape->partition_max;

    if (nodes <= node_max && partitions <= partition_max) return;
    tape->node_max = MAX(node_max, nodes);
    tape->partition_max = partitions <= partition_max ? partition_max : 2 * partitions;
    tape->nodes = realloc(tape->nodes, tape->node_max * sizeof *tape->nodes);
    memset(tape->nodes + node_max, 0, (tape->node_max - node_max) * sizeof *tape->nodes);
    tape->partitions = realloc(tape->partitions, tape->partition_max * sizeof *tape->partitions);
    memset(tape->partitions + partition_max, 0, (tape->partition_max - partition_max) * sizeof *tape->partitions);
    struct node_seen *replicas = calloc((size_t)tape->node_max * tape->partition_max, sizeof *replicas);
    for (uint32_t i = 0; i < node_max && partition_max > 0; i++) {
        memcpy(replicas + (size_t)i * tape->partition_max, tape->replicas + (size_t)i * partition_max,
               partition_max * sizeof *replicas);
    }
    free(tape->replicas);
    tape->replicas = replicas;
}

static bool differs(struct node_seen *seen, const int64_t values[TAPE_VALUES])
{
    if (seen->seen && memcmp(seen->values, values, sizeof seen->values) == 0) return false;
    seen->seen = true;
    memcpy(seen->values, values, sizeof seen->values);
    return true;
}

static enum tape_state state_of(const struct machine *machine)
{
    if (machine->state == PROCESS_DOWN) return STATE_DOWN;
    if (machine->state == PROCESS_HALTED) return STATE_HALTED;
    switch (node_state(machine->node)) {
    case NODE_STARTING: return STATE_STARTING;
    case NODE_SERVING: return STATE_SERVING;
    case NODE_STOPPING: return STATE_STOPPING;
    }
    return STATE_DOWN;
}

static enum tape_role role_of(const struct machine *machine)
{
    const struct raft *raft = node_raft(machine->node);

    if (machine->state != PROCESS_UP || !raft_is_started(raft)) return ROLE_NONE;
    switch (raft_role(raft)) {
    case RAFT_FOLLOWER: return ROLE_FOLLOWS;
    case RAFT_PRE_CANDIDATE:
    case RAFT_CANDIDATE: return ROLE_STANDS;
    case RAFT_LEADER: return ROLE_LEADS;
    }
    return ROLE_NONE;
}

static void look_at_node(struct tape *tape, uint32_t number)
{
    const struct machine *machine = tape->run->world.machines[number];
    const struct group *group = &tape->run->group;
    int64_t values[TAPE_VALUES] = { [NODE_STATE] = machine->starts == 0 ? STATE_DOWN : (int64_t)state_of(machine) };

    if (machine->starts == 0) return;
    values[NODE_ROLE] = (int64_t)role_of(machine);
    if (number < group->member_max) {
        values[NODE_TERM] = (int64_t)group->members[number].term;
        values[NODE_COMMIT] = (int64_t)group->members[number].commit_index;
        values[NODE_APPLIED] = (int64_t)group->members[number].applied_index;
    }
    if (!differs(&tape->nodes[number], values)) return;
    memcpy(tape_add(tape, TAPE_NODE, number, NULL)->values, values, sizeof values);
}

static uint64_t machines_of(const struct image_partition *partition, replica_set set)
{
    int32_t ids[REPLICAS_MAX];
    const uint32_t count = image_partition_brokers(partition, set, ids);
    uint64_t bits = 0;

    for (uint32_t i = 0; i < count; i++) bits |= ids[i] >= 1 && ids[i] <= 63 ? 1ull << (ids[i] - 1) : 0;
    return bits;
}

void tape_partition_name(const struct run *run, uint32_t number, char name[64])
{
    const struct plane_partition *partition = run->plane.partitions[number];

    for (uint32_t i = 0; i < run->judge.topic_count; i++) {
        if (!uuid_equal(&run->judge.topics[i].id, &partition->topic_id)) continue;
        snprintf(name, 64, "%.48s-%d", run->judge.topics[i].name, partition->index);
        return;
    }
    snprintf(name, 64, "%08x-%d", load_u32(partition->topic_id.bytes), partition->index);
}

static void look_at_partition(struct tape *tape, uint32_t number)
{
    const struct image_partition *newest = &tape->run->plane.partitions[number]->newest;
    const replica_set all = (replica_set)((1u << newest->replica_count) - 1);
    const int64_t values[TAPE_VALUES] = { [PARTITION_NUMBER] = number,
                                          [PARTITION_LEADER] = newest->leader,
                                          [PARTITION_EPOCH] = newest->leader_epoch,
                                          [PARTITION_ISR] = (int64_t)machines_of(newest, newest->isr),
                                          [PARTITION_REPLICAS] = (int64_t)machines_of(newest, all),
                                          [PARTITION_ELR] = (int64_t)machines_of(newest, newest->elr) };
    char name[64];

    if (!differs(&tape->partitions[number], values)) return;
    tape->focus = number;
    tape_partition_name(tape->run, number, name);
    memcpy(tape_add(tape, TAPE_PARTITION, MACHINE_NONE, name)->values, values, sizeof values);
}

static void look_at_replicas(struct tape *tape, uint32_t number)
{
    const struct plane *plane = &tape->run->plane;
    const struct plane_machine *machine = number < plane->machine_max ? &plane->machines[number] : NULL;

    for (uint32_t i = 0; machine != NULL && i < machine->count; i++) {
        const uint32_t which = machine->partitions[i];
        const struct plane_partition *partition = plane->partitions[which];
        const struct plane_replica *replica = NULL;
        for (uint32_t j = 0; j < partition->replica_count; j++) {
            if (partition->replicas[j].machine == number) replica = &partition->replicas[j];
        }
        look_at_partition(tape, which);
        if (replica == NULL || !replica->there) continue;
        const int64_t values[TAPE_VALUES] = { which,
                                              replica->leads,
                                              replica->leader_epoch,
                                              replica->high_watermark,
                                              replica->log_end_offset,
                                              replica->durable_offset };
        if (!differs(&tape->replicas[(size_t)number * tape->partition_max + which], values)) continue;
        tape->focus = which;
        memcpy(tape_add(tape, TAPE_REPLICA, number, NULL)->values, values, sizeof values);
    }
}

/* ---- what run.c tells ---- */

/* Those that died or came up since. */
static void look_at_processes(struct tape *tape)
{
    for (uint32_t i = 0; i < tape->run->world.machine_count; i++) {
        const struct machine *machine = tape->run->world.machines[i];
        if (machine->starts == 0) continue;
        const enum tape_state before = (enum tape_state)tape->nodes[i].values[NODE_STATE];
        const bool is_up = machine->state == PROCESS_UP, was_up = before >= STATE_STARTING && before <= STATE_STOPPING;
        if (!tape->nodes[i].seen || is_up != was_up) look_at_node(tape, i);
    }
}

void tape_on_event(struct tape *tape, uint32_t machine, const struct event *event)
{
    grow(tape);
    if (tape->text != NULL && tape->event > 0) trace_text_event(tape);
    look_at_processes(tape);
    tape->event = tape->run->world.events;
    tape->in_shadow = false;
    tape->orders[0] = 0;
    tape->current_number = tape->next;
    tape->current = tape_add(tape, TAPE_EVENT, machine, NULL);
    tape->current->values[0] = event->type;
    const uint64_t cause = tape_links_on_event(tape, machine, event);
    if (tape->current != NULL) tape->current->cause = cause;
}

void tape_on_orders(struct tape *tape, uint32_t machine, const struct effects *effects)
{
    tape_links_on_orders(tape, machine, effects);
}

void tape_on_stepped(struct tape *tape, uint32_t machine)
{
    grow(tape);
    tape_links_on_deadline(tape, machine, node_deadline_ns(tape->run->world.machines[machine]->node));
    look_at_node(tape, machine);
    look_at_replicas(tape, machine);
}

void tape_on_client_bytes(struct tape *tape, uint32_t wire, uint32_t size)
{
    tape_links_on_client_bytes(tape, wire, size);
}

void tape_on_client_wrote(struct tape *tape, uint32_t wire, const void *data, uint32_t size)
{
    tape_links_on_client_wrote(tape, wire, data, size);
}

void tape_on_end(struct tape *tape, const char *rule, const char *story)
{
    char text[STORY_SIZE + 16];

    fflush(tape->lines);
    grow(tape);
    if (tape->text != NULL && tape->event > 0) trace_text_event(tape);
    look_at_processes(tape);
    if (rule[0] != 0) snprintf(text, sizeof text, "%s: %s", rule, story);
    tape_add(tape, TAPE_VERDICT, MACHINE_NONE, rule[0] == 0 ? "passed" : text);
    if (tape->text != NULL) trace_text_line(tape, rule[0] == 0 ? "passed" : text);
}
