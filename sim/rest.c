#include "sim/rest.h"

#include "controller/metadata_log.h"
#include "meta/image.h"
#include "raft/raft.h"
#include "status.h"

#include <stdarg.h>
#include <stdio.h>

struct words {
    char *text;
    uint32_t size, max;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    const int size = vsnprintf(words->text + words->size, words->max - words->size, format, list);
    va_end(list);
    if (size > 0) words->size = MIN(words->size + (uint32_t)size, words->max - 1);
}

/* ---- the cluster ---- */

static uint32_t wanted_count(const struct world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->machine_count; i++) count += world->machines[i]->wanted;
    return count;
}

/* NULL: nothing is wrong with this one. */
static const char *fault_of(const struct run *run, const struct machine *machine)
{
    if (machine->state != PROCESS_UP) return "is down";
    if (machine->paused_until_ns > run->world.now_ns) return "stands still";
    if (node_state(machine->node) == NODE_STARTING) return "starts";
    if (node_state(machine->node) != NODE_SERVING) return "stops";
    if (image_view(node_image(machine->node)).applied_index < run->group.commit_index) return "is behind";
    return NULL;
}

static const struct machine *leading_machine(const struct world *world)
{
    const struct machine *leader = NULL;

    for (uint32_t i = 0; i < world->machine_count; i++) {
        const struct machine *machine = world->machines[i];
        if (!machine->wanted || machine->state != PROCESS_UP) continue;
        if (!raft_is_started(node_raft(machine->node)) || raft_role(node_raft(machine->node)) != RAFT_LEADER) continue;
        if (leader != NULL) return NULL; /* one of them is deposed, and does not know yet */
        leader = machine;
    }
    return leader;
}

static uint32_t observers_of(const struct image *image)
{
    uint32_t count = 0;

    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        count += image_broker(image, slot)->observer;
    }
    return count;
}

/* The largest odd number of voters that there are nodes for. */
static uint32_t voters_wanted(const struct run *run, uint32_t nodes)
{
    const uint32_t most = MIN(nodes, run->knobs.voters);
    return most % 2 == 1 ? most : most - 1;
}

static const char *fault_of_members(const struct run *run, const struct machine *leader)
{
    const uint32_t nodes = wanted_count(&run->world);
    const struct raft_configuration *list = raft_configuration(node_raft(leader->node));
    uint32_t voters = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        voters += (list->members[i].flags & RAFT_VOTER) != 0;
        if ((list->members[i].flags & (RAFT_OLD_VOTER | RAFT_LEAVING)) != 0) return "its voters change";
    }
    if (!raft_configuration_is_committed(node_raft(leader->node))) return "its list of members is not committed";
    if (list->count != nodes) return "not all nodes are members, or others are";
    const uint32_t observers = observers_of(node_image(leader->node));
    return voters == voters_wanted(run, nodes - observers) ? NULL : "not as many vote as should";
}

static const char *fault_of_brokers(const struct world *world, const struct machine *leader)
{
    const struct image *image = node_image(leader->node);

    for (uint32_t i = 0; i < world->machine_count; i++) {
        if (!world->machines[i]->wanted) continue;
        const uint32_t broker = image_broker_by_id(image, (int32_t)i + 1);
        if (broker == SLOT_NONE) return "not all nodes are registered";
        if (image_broker(image, broker)->fenced) return "not all nodes are counted on";
        if (image_broker(image, broker)->leaving) return "somebody is leaving";
    }
    return NULL;
}

static const char *fault_of_data(const struct run *run, const struct machine *leader)
{
    static char text[400];

    if (run->damaged || run->is_shadow) return NULL;
    return plane_unrest(&run->plane, node_image(leader->node), text, sizeof text);
}

uint32_t rest_leaving(const struct run *run)
{
    const struct world *world = &run->world;
    const struct machine *leader = leading_machine(world);

    for (uint32_t i = 0; i < world->machine_count && leader != NULL; i++) {
        const uint32_t broker = image_broker_by_id(node_image(leader->node), (int32_t)i + 1);
        if (broker != SLOT_NONE && image_broker(node_image(leader->node), broker)->leaving) return i;
    }
    return MACHINE_NONE;
}

/* How many members of a machine's node there are in the leader's list, and whether one of them is `id`. */
static uint32_t members_of(const struct machine *leader, uint32_t machine, uint64_t id, bool *has_id)
{
    const struct raft_configuration *list = raft_configuration(node_raft(leader->node));
    uint32_t count = 0;

    *has_id = false;
    for (uint32_t i = 0; i < list->count; i++) {
        if (member_node(list->members[i].id) != (int32_t)machine + 1) continue;
        count++;
        *has_id = *has_id || list->members[i].id == id;
    }
    return count;
}

bool rest_is_member(const struct run *run, uint32_t number)
{
    const struct machine *leader = leading_machine(&run->world);
    bool has_id;
    return leader == NULL || members_of(leader, number, 0, &has_id) > 0;
}

bool rest_votes(const struct run *run, uint32_t number)
{
    const struct machine *leader = leading_machine(&run->world);
    const struct raft_configuration *list = leader == NULL ? NULL : raft_configuration(node_raft(leader->node));

    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        const struct raft_member *member = &list->members[i];
        if (member_node(member->id) == (int32_t)number + 1 && (member->flags & RAFT_VOTER) != 0) return true;
    }
    return false;
}

bool rest_is_whole(const struct run *run, uint32_t number)
{
    const struct machine *machine = run->world.machines[number], *leader = leading_machine(&run->world);
    bool has_id;

    if (leader == NULL || machine->state != PROCESS_UP || node_state(machine->node) != NODE_SERVING) return false;
    if (!raft_configuration_is_committed(node_raft(leader->node))) return false;
    if (!plane_is_whole(&run->plane, number)) return false;
    return members_of(leader, number, raft_id(node_raft(machine->node)), &has_id) == 1 && has_id;
}

bool rest_may_wipe(const struct run *run, uint32_t number)
{
    const struct machine *leader = leading_machine(&run->world);
    uint32_t voters = 0;
    bool votes = false, heirs = false;

    if (leader == NULL || !raft_configuration_is_committed(node_raft(leader->node))) return false;
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        if (run->world.machines[i]->wiped) return false; /* one at a time */
        heirs |= run->world.machines[i]->wanted && run->world.machines[i]->may_leave;
    }
    const struct raft_configuration *list = raft_configuration(node_raft(leader->node));
    for (uint32_t i = 0; i < list->count; i++) {
        if ((list->members[i].flags & (RAFT_OLD_VOTER | RAFT_LEAVING)) != 0) return false;
        if ((list->members[i].flags & RAFT_VOTER) == 0) continue;
        voters++;
        votes = votes || member_node(list->members[i].id) == (int32_t)number + 1;
    }
    /* Who leaves gives his vote to somebody, who may just have lost his disk. */
    return voters > 0 && ((!votes && !heirs) || voters >= 3);
}

bool rest_is_reached(const struct run *run)
{
    const struct world *world = &run->world;
    const struct machine *leader = leading_machine(world);

    if (leader == NULL || fault_of_members(run, leader) != NULL || fault_of_brokers(world, leader) != NULL)
        return false;
    if (fault_of_data(run, leader) != NULL) return false;
    for (uint32_t i = 0; i < world->machine_count; i++) {
        if (world->machines[i]->wanted && fault_of(run, world->machines[i]) != NULL) return false;
    }
    return true;
}

static void say_cluster(const struct run *run, struct words *words)
{
    const struct world *world = &run->world;
    const struct machine *leader = leading_machine(world);
    uint32_t told = 0;

    for (uint32_t i = 0; i < world->machine_count; i++) {
        const struct machine *machine = world->machines[i];
        const char *fault = machine->wanted ? fault_of(run, machine) : NULL;
        if (fault == NULL || told++ >= 5) continue;
        say(words, "n%u %s, has applied %llu of %llu; ", i + 1, fault,
            (unsigned long long)image_view(node_image(machine->node)).applied_index,
            (unsigned long long)run->group.commit_index);
    }
    if (leader == NULL) {
        say(words, "nobody leads, or more than one; ");
        return;
    }
    const char *fault = fault_of_members(run, leader);
    if (fault == NULL) fault = fault_of_brokers(world, leader);
    if (fault == NULL) fault = fault_of_data(run, leader);
    if (fault != NULL) say(words, "n%d leads, and %s; ", (int)leader->config.node_id, fault);
}

/* ---- clients ---- */

/* Whom the first client that waits is waiting for. */
static void say_waiting(const struct run *run, struct words *words)
{
    static const char *const kinds[] = { "producer", "consumer", "administrator", "operator", "member", "owner" };

    for (uint32_t i = 0; i < run->client_count; i++) {
        const struct client *client = run->clients[i];
        if (client_is_done(run, client)) continue;
        say(words, "%s %u waits", kinds[client->kind], i);
        if (!client->ready) say(words, " for metadata");
        for (uint32_t j = 0; j < client->session_count; j++) {
            const struct session *session = &client->sessions[j];
            if (session->wire == WIRE_NONE || session->pending_count == 0) continue;
            say(words, " for %u answers of n%u", session->pending_count, session->machine + 1);
        }
        for (uint32_t j = 0; j < client->target_count && client->kind == CLIENT_CONSUMER; j++) {
            const struct target *target = &client->targets[j];
            if (target->judged->gone || target->end >= 0) continue;
            say(words, ", topic-%u-%d at %lld of n%u", target->topic, target->index, (long long)target->position,
                target->leader + 1);
        }
        return;
    }
}

void rest_format(const struct run *run, char *text, uint32_t size)
{
    struct words words = { text, 0, size };

    text[0] = 0;
    say_cluster(run, &words);
    say_waiting(run, &words);
}
