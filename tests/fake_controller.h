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

bool topic_name_is_valid(struct bytes name)
{
    return name.size > 0 && name.size <= TOPIC_NAME_SIZE_MAX && name.data[0] != '!';
}

#endif
