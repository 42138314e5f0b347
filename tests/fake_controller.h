/* fake_controller.h -- a controller that notes what it is asked, and leaves the rest to the test.
 *
 * Wishes are numbered from 1 on and stay open until the test gives them an outcome (world_done in broker_world.h). */
#ifndef CHRONIK_TESTS_FAKE_CONTROLLER_H
#define CHRONIK_TESTS_FAKE_CONTROLLER_H

#include "controller/controller.h"
#include "t.h"

enum { FAKE_WISHES_MAX = 4096, FAKE_ANSWER_MAX = 256, FAKE_WISH_SIZE_MAX = 2048 };

struct fake_wish {
    int16_t kind, version;
    uint32_t size;
    uint64_t deadline_ns;
    enum wish_verdict verdict; /* 0: there is none */
    bool forgotten;
    uint8_t answer[FAKE_ANSWER_MAX];
    uint32_t answer_size;
};

struct controller {
    uint64_t wish; /* the last one */
    struct fake_wish wishes[FAKE_WISHES_MAX];
    uint32_t refusals_left; /* so many times there is no room */
    char asked[8][64];      /* names of topics */
    uint32_t asked_count;
    bool refuses;        /* topics that are asked for are not made, and that is known at once */
    int64_t producer_id; /* the next one */
    int64_t producer_id_end;

    /* of what is decided here */
    enum error error;    /* for every thing that is asked for */
    uint64_t wait_index; /* the next thing has to wait for this, once */
    uint32_t too_large;  /* so many answers are */
    uint8_t concluded[64 << 10];
    uint32_t concluded_size;
    uint32_t conclusions;
    uint64_t postponed; /* until this index */
    enum wish_verdict dismissed;
};

static inline struct fake_wish *fake_wish_at(struct controller *controller, uint64_t wish)
{
    CHECK(wish >= 1 && wish <= controller->wish);
    return &controller->wishes[wish % FAKE_WISHES_MAX];
}

static inline uint64_t fake_wish_open(struct controller *controller, int16_t kind)
{
    if (controller->refusals_left > 0) {
        controller->refusals_left--;
        return 0;
    }
    controller->wish++;
    *fake_wish_at(controller, controller->wish) = (struct fake_wish){ .kind = kind, .verdict = WISH_OPEN };
    return controller->wish;
}

uint64_t controller_wish(struct controller *controller, int16_t api_key, int16_t version, struct bytes request,
                         uint64_t deadline_ns)
{
    CHECK(request.size <= FAKE_WISH_SIZE_MAX);
    const uint64_t wish = fake_wish_open(controller, api_key);

    if (wish == 0) return 0;
    struct fake_wish *made = fake_wish_at(controller, wish);
    made->version = version;
    made->size = request.size;
    made->deadline_ns = deadline_ns;
    return wish;
}

bool controller_has_room(const struct controller *controller)
{
    return controller->refusals_left == 0;
}

uint32_t controller_wish_size_max(const struct controller *controller)
{
    (void)controller;
    return FAKE_WISH_SIZE_MAX;
}

enum wish_verdict controller_outcome(const struct controller *controller, uint64_t wish, struct bytes *answer)
{
    const struct fake_wish *made = fake_wish_at((struct controller *)(uintptr_t)controller, wish);

    *answer = (struct bytes){ made->answer, made->answer_size };
    return made->forgotten ? WISH_GIVEN_UP : made->verdict;
}

void controller_forget(struct controller *controller, uint64_t wish)
{
    struct fake_wish *made = fake_wish_at(controller, wish);

    CHECK(!made->forgotten);
    made->forgotten = true;
}

uint64_t controller_auto_create_topics(struct controller *controller, const struct bytes *names, uint32_t count,
                                       uint64_t deadline_ns)
{
    const uint64_t wish = fake_wish_open(controller, WISH_AUTO_CREATE);

    CHECK(count > 0);
    if (wish == 0) return 0;
    fake_wish_at(controller, wish)->deadline_ns = deadline_ns;
    if (controller->refuses) fake_wish_at(controller, wish)->verdict = WISH_ANSWERED;
    for (uint32_t i = 0; i < count && !controller->refuses; i++) {
        snprintf(controller->asked[controller->asked_count++ % 8], 64, "%.*s", (int)names[i].size,
                 (const char *)names[i].data);
    }
    return wish;
}

bool controller_producer_id(struct controller *controller, int64_t *producer_id, uint64_t *wish)
{
    if (controller->producer_id < controller->producer_id_end) {
        *producer_id = controller->producer_id++;
        return true;
    }
    *wish = fake_wish_open(controller, WISH_PRODUCER_IDS);
    return false;
}

/* ---- deciding; what is decided well is tested with a controller that is one: tests/test_admin.c ---- */

void controller_begin(struct controller *controller)
{
    (void)controller;
}

static inline void fake_decide(struct controller *controller, struct controller_answer *answer)
{
    *answer = (struct controller_answer){ .error = controller->error, .wait_index = controller->wait_index };
    controller->wait_index = 0;
}

void controller_create_topic(struct controller *controller, const struct create_topics_request_topic *topic,
                             bool judge_only, struct topic_made *made, struct controller_answer *answer)
{
    (void)topic, (void)judge_only;
    *made = (struct topic_made){ .partition_count = 1, .replica_count = 1 };
    fake_decide(controller, answer);
}

void controller_delete_topic(struct controller *controller, uint32_t topic, struct controller_answer *answer)
{
    (void)topic;
    fake_decide(controller, answer);
}

void controller_elect_leader(struct controller *controller, uint32_t partition, bool unclean,
                             struct controller_answer *answer)
{
    (void)partition, (void)unclean;
    fake_decide(controller, answer);
}

void controller_reassign(struct controller *controller, uint32_t partition, const int32_t *replicas, uint32_t count,
                         struct controller_answer *answer)
{
    (void)partition, (void)replicas, (void)count;
    fake_decide(controller, answer);
}

void controller_add_node(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    (void)node_id;
    fake_decide(controller, answer);
}

void controller_remove_node(struct controller *controller, int32_t node_id, bool force,
                            struct controller_answer *answer)
{
    (void)node_id, (void)force;
    fake_decide(controller, answer);
}

void controller_promote_observer(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    (void)node_id;
    fake_decide(controller, answer);
}

void controller_rebalance(struct controller *controller, struct controller_answer *answer)
{
    fake_decide(controller, answer);
}

void controller_transfer(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    (void)node_id;
    fake_decide(controller, answer);
}

void controller_add_voter(struct controller *controller, int32_t node_id, const struct uuid *directory,
                          struct controller_answer *answer)
{
    (void)node_id, (void)directory;
    fake_decide(controller, answer);
}

void controller_remove_voter(struct controller *controller, int32_t node_id, const struct uuid *directory,
                             struct controller_answer *answer)
{
    (void)node_id, (void)directory;
    fake_decide(controller, answer);
}

void controller_promote(struct controller *controller, bool force, struct controller_answer *answer)
{
    (void)force;
    fake_decide(controller, answer);
}

void controller_unregister(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    (void)node_id;
    fake_decide(controller, answer);
}

void controller_set_feature_level(struct controller *controller, int16_t level, bool judge_only,
                                  struct controller_answer *answer)
{
    (void)level, (void)judge_only;
    fake_decide(controller, answer);
}

void controller_set_quotas(struct controller *controller, const struct metadata_client_quota_record *quotas,
                           uint32_t count, bool judge_only, struct controller_answer *answer)
{
    (void)quotas, (void)count, (void)judge_only;
    fake_decide(controller, answer);
}

bool controller_quorum_member(const struct controller *controller, uint32_t place, struct quorum_member *member)
{
    (void)controller;
    *member = (struct quorum_member){ .member = 1, .voter = true };
    return place == 0;
}

struct controller_view controller_view(const struct controller *controller)
{
    (void)controller;
    return (struct controller_view){ .leads = true, .voters = 1, .members = 1 };
}

void controller_create_partitions(struct controller *controller, const struct create_partitions_request_topic *topic,
                                  bool judge_only, struct controller_answer *answer)
{
    (void)topic, (void)judge_only;
    fake_decide(controller, answer);
}

void controller_change_settings(struct controller *controller, int8_t resource_type, struct bytes resource_name,
                                const struct setting_wish *wishes, uint32_t count, bool replace, bool judge_only,
                                struct controller_answer *answer)
{
    (void)resource_type, (void)resource_name, (void)wishes, (void)count, (void)replace, (void)judge_only;
    fake_decide(controller, answer);
}

bool controller_conclude(struct controller *controller, struct bytes answer)
{
    if (controller->too_large > 0) {
        controller->too_large--;
        return false;
    }
    CHECK(answer.size <= FAKE_WISH_SIZE_MAX);
    memcpy(controller->concluded, answer.data, answer.size);
    controller->concluded_size = answer.size;
    controller->conclusions++;
    return true;
}

void controller_postpone(struct controller *controller, uint64_t index)
{
    controller->postponed = index;
}

void controller_dismiss(struct controller *controller, enum wish_verdict why)
{
    controller->dismissed = why;
}

bool topic_name_is_valid(struct bytes name)
{
    return name.size > 0 && name.size <= TOPIC_NAME_SIZE_MAX && name.data[0] != '!';
}

#endif
