/* disaster.c -- a node that survived a disaster goes on alone; how, and what is needed for that?
 *
 * Most voters are lost for ever, so nothing can be decided any more. An operator says so, and one survivor takes the
 * whole cluster for itself: its member list names nobody else (metadata_open.c), and one entry gives the cluster
 * another incarnation and forgets all other brokers. That incarnation is part of what nodes are known by
 * (image_identity): who belongs to the cluster as it was before finds no way back but with an empty directory. */
#include "base/check.h"
#include "controller/controller_state.h"

static bool is_another_cluster(const struct controller *controller)
{
    return controller->recovery != 0 && controller_applied_index(controller) >= controller->recovery &&
           !controller_is_applying(controller);
}

void disaster_work(struct controller *controller)
{
    if (is_another_cluster(controller)) metadata_log_on_recovered(controller->log, controller->recovery);
    if (controller->recovery != 0 || !controller->loaded || !metadata_log_leads(controller->log)) return;
    if (image_is_draining(controller->image)) return;
    controller_begin(controller);
    decide_recovery(controller->image, member_node(metadata_log_member(controller->log)),
                    prng_next(&controller->cluster), &controller->draft.records);
    CHECK(proposal_ok(&controller->draft.records)); /* a few bytes for each broker */
    metadata_log_propose(controller->log, proposal_bytes(&controller->draft.records), &controller->recovery);
}

bool controller_is_recovered(const struct controller *controller)
{
    return is_another_cluster(controller) &&
           (metadata_log_view(controller->log).snapshot_index >= controller->recovery ||
            MUTANT(recovery_is_told_from_its_beginning));
}

void controller_promote(struct controller *controller, bool force, struct controller_answer *answer)
{
    const uint64_t leader = metadata_log_leader(controller->log);

    *answer = (struct controller_answer){ .message = text_in(answer->message_data, CONTROLLER_MESSAGE_SIZE_MAX) };
    if (metadata_log_standing(controller->log) != STANDING_MEMBER) {
        answer->error = ERROR_INVALID_REQUEST;
        text_add(&answer->message, "This node belongs to no cluster that it could go on with.");
    } else if (leader != 0 && !force) {
        answer->error = ERROR_INVALID_REQUEST;
        text_add(&answer->message, "Node ");
        text_add_int(&answer->message, member_node(leader));
        text_add(&answer->message,
                 " leads the metadata: nothing is lost. Nodes that are gone for good are removed with "
                 "chronik-server cluster remove-node N --force.");
    } else if (!force && (!joining_is_leaderless(controller) || joining_reaches_most(controller))) {
        answer->error = ERROR_INVALID_REQUEST;
        text_add(&answer->message,
                 "A leader was known a moment ago, or enough nodes are there to elect one: nothing is "
                 "lost, as it seems. Ask again in some seconds.");
    } else {
        controller->promoted = true;
        text_add(&answer->message,
                 "This node goes on as a cluster of its own, with all that it has. Others of the cluster "
                 "can only join again with empty data directories.");
    }
}

bool controller_is_promoted(const struct controller *controller)
{
    return controller->promoted;
}
