/* fake_controller.h -- a controller that notes what it is asked, and leaves the rest to the test. */
#ifndef CHRONIK_TESTS_FAKE_CONTROLLER_H
#define CHRONIK_TESTS_FAKE_CONTROLLER_H

#include "controller/controller.h"
#include "t.h"

struct controller {
    uint64_t index; /* of the last proposal */
    char asked[8][64];
    uint32_t asked_count;
    bool refuses;
    int64_t producer_id; /* the next one */
    int64_t producer_id_end;
};

bool controller_auto_create_topic(struct controller *controller, struct bytes name, uint64_t *index)
{
    if (controller->refuses) return false;
    snprintf(controller->asked[controller->asked_count++ % 8], 64, "%.*s", (int)name.size, (const char *)name.data);
    *index = ++controller->index;
    return true;
}

bool controller_producer_id(struct controller *controller, int64_t *producer_id, uint64_t *index)
{
    if (controller->producer_id < controller->producer_id_end) {
        *producer_id = controller->producer_id++;
        return true;
    }
    *index = ++controller->index;
    return false;
}

/* What administration asks is tested with a controller that is one: tests/test_admin.c. */
void controller_begin(struct controller *controller)
{
    (void)controller;
}

void controller_create_topic(struct controller *controller, const struct create_topics_request_topic *topic,
                             bool judge_only, struct topic_made *made, struct controller_answer *answer)
{
    (void)controller, (void)topic, (void)judge_only, (void)made;
    *answer = (struct controller_answer){ .error = ERROR_POLICY_VIOLATION };
}

void controller_delete_topic(struct controller *controller, uint32_t topic, struct controller_answer *answer)
{
    (void)controller, (void)topic;
    *answer = (struct controller_answer){ .error = ERROR_POLICY_VIOLATION };
}

void controller_create_partitions(struct controller *controller, const struct create_partitions_request_topic *topic,
                                  bool judge_only, struct controller_answer *answer)
{
    (void)controller, (void)topic, (void)judge_only;
    *answer = (struct controller_answer){ .error = ERROR_POLICY_VIOLATION };
}

void controller_change_settings(struct controller *controller, int8_t resource_type, struct bytes resource_name,
                                const struct setting_wish *wishes, uint32_t count, bool replace, bool judge_only,
                                struct controller_answer *answer)
{
    (void)controller, (void)resource_type, (void)resource_name, (void)wishes, (void)count, (void)replace;
    (void)judge_only;
    *answer = (struct controller_answer){ .error = ERROR_POLICY_VIOLATION };
}

enum propose_verdict controller_propose(struct controller *controller, uint64_t *index)
{
    *index = controller->index;
    return PROPOSE_EMPTY;
}

bool topic_name_is_valid(struct bytes name)
{
    return name.size > 0 && name.size <= TOPIC_NAME_SIZE_MAX && name.data[0] != '!';
}

#endif
