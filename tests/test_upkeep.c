/* What the leader of the metadata does by itself, and who leads when somebody asks. */
#include "broker/operate.h"
#include "codec/api.h"
#include "plane_world.h"

static const int32_t three[] = { 1, 2, 3 }, two[] = { 2, 3 };

static void set_for_all(struct plane *plane, const char *name, const char *value)
{
    uint8_t memory[256];
    struct proposal records = proposal_in(memory, sizeof memory);

    proposal_add_config(&records,
                        &(struct metadata_config_record){
                            .resource_type = 4, .broker_id = -1, .name = text_of(name), .value = text_of(value) });
    plane_put(plane, &records);
}

/* The broker of a silent node is fenced; then it is back, and in sync everywhere. */
static void lose(struct plane *plane, int32_t id)
{
    plane->silent[id] = true;
    plane_pass(plane, 1500);
    EXPECT("it is fenced", image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), id))->fenced);
    plane->silent[id] = false;
    plane_pass(plane, 500);
    EXPECT("it is back", !image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), id))->fenced);
}

/* ---- preferred leaders ---- */

TEST(preferred_leaders_lead_again_in_time)
{
    struct plane *plane = plane_new(3);

    set_for_all(plane, "leader.imbalance.check.interval.seconds", "10");
    plane_create(plane, "t", 1, two, 2, 2);
    lose(plane, 2);
    EXPECT_TEXT("somebody else leads", "leader=3 isr=3 replicas=2,3", plane_said(plane, "t", 0));
    plane_pass(plane, 300000);
    EXPECT_TEXT("who is not in sync does not", "leader=3 isr=3 replicas=2,3", plane_said(plane, "t", 0));
    plane_wish_isr(plane, "t", 0, (int32_t[]){ 3, 2 }, 2);
    EXPECT_TEXT("nor at once", "leader=3 isr=2,3 replicas=2,3", plane_said(plane, "t", 0));
    plane_pass(plane, 11000);
    EXPECT_TEXT("but before long", "leader=2 isr=2,3 replicas=2,3", plane_said(plane, "t", 0));

    lose(plane, 2);
    plane_wish_isr(plane, "t", 0, (int32_t[]){ 3, 2 }, 2);
    set_for_all(plane, "auto.leader.rebalance.enable", "false");
    plane_pass(plane, 30000);
    EXPECT_TEXT("unless nobody wants it", "leader=3 isr=2,3 replicas=2,3", plane_said(plane, "t", 0));
    plane_free(plane);
}

/* All partitions of a broker go back to it in pieces, none of which is large. */
TEST(many_elections_go_in_pieces)
{
    struct plane *plane = plane_new(3);
    enum { TOPICS = 100, EACH = 100 };
    char name[16];

    set_for_all(plane, "leader.imbalance.check.interval.seconds", "10");
    set_for_all(plane, "auto.leader.rebalance.enable", "false");
    for (int topic = 0; topic < TOPICS; topic++) {
        sprintf(name, "t%d", topic);
        plane_create(plane, name, EACH, two, 2, 2);
    }
    plane->leaves[2] = true;
    plane_pass(plane, 500);
    EXPECT("all of it goes with one record", plane->changes == TOPICS * EACH);
    EXPECT("then it may go", plane->may_go[2]);
    plane->leaves[2] = false;
    plane_register(plane, 2, false);
    for (int topic = 0; topic < TOPICS; topic++) {
        sprintf(name, "t%d", topic);
        for (int32_t index = 0; index < EACH; index++) plane_wish_isr(plane, name, index, (int32_t[]){ 3, 2 }, 2);
    }
    set_for_all(plane, "auto.leader.rebalance.enable", "true");
    plane->changes = plane->changes_most = 0;
    plane_pass(plane, 11000);
    EXPECT_EQ("all of them", TOPICS * EACH, plane->changes);
    EXPECT("in pieces", plane->changes_most <= FAKE_STEP_ENTRIES * 256);
    for (int topic = 0; topic < TOPICS; topic++) {
        sprintf(name, "t%d", topic);
        EXPECT_EQ("it leads", 2, plane_partition(plane, name, topic % EACH)->leader);
    }
    plane_free(plane);
}

/* ---- controlled shutdown ---- */

TEST(who_goes_is_relieved_first)
{
    struct plane *plane = plane_new(3);

    plane_create(plane, "t", 1, two, 2, 2);
    plane_create(plane, "alone", 1, two, 1, 1);
    plane_create(plane, "behind", 1, two, 2, 1);
    plane->silent[3] = true; /* it hears of nothing */
    plane->leaves[2] = true;
    plane_pass(plane, 300);
    EXPECT_TEXT("somebody else leads", "leader=3 isr=3 replicas=2,3", plane_said(plane, "t", 0));
    EXPECT_TEXT("where somebody can", "leader=2 isr=2 replicas=2", plane_said(plane, "alone", 0));
    EXPECT_TEXT("without loss", "leader=2 isr=2 replicas=2,3", plane_said(plane, "behind", 0));
    EXPECT("not before all others know", !plane->may_go[2]);
    plane->silent[3] = false;
    plane_pass(plane, 300);
    EXPECT("then it may go", plane->may_go[2]);
    plane_free(plane);
}

/* ---- ElectLeaders ---- */

static const struct election_row {
    const char *why;
    const char *topic;
    int32_t index;
    int8_t type;
    enum error error;
    const char *message;
    const char *said; /* of partition 0 of that topic */
} election_rows[] = {
    { "no such topic", "x", 0, 0, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "No such topic as x", NULL },
    { "no such partition", "t", 1, 0, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "No such partition as t-1", NULL },
    { "no such election", "t", 0, 7, ERROR_INVALID_REQUEST, "Unknown election type.", NULL },
    { "the preferred leader leads", "t", 0, 0, ERROR_ELECTION_NOT_NEEDED,
      "Leader election not needed for topic partition.", "leader=1 isr=1,2,3 replicas=1,2,3" },
    { "it is not in sync", "u", 0, 0, ERROR_PREFERRED_LEADER_NOT_AVAILABLE, "The preferred leader was not available.",
      "leader=3 isr=3 replicas=2,3" },
    { "it is, and leads", "v", 0, 0, ERROR_NONE, NULL, "leader=2 isr=2,3 replicas=2,3" },
    { "somebody leads", "u", 0, 1, ERROR_ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.",
      "leader=3 isr=3 replicas=2,3" },
    { "nobody could", "lost", 0, 1, ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE,
      "Eligible topic partition leaders are not available.", "leader=-1 isr= replicas=4" },
    { "somebody can, who may lack records", "behind", 0, 1, ERROR_NONE, NULL, "leader=1 isr=1 replicas=4,1" },
};

static struct plane *election_plane(void)
{
    struct plane *plane = plane_new(4);

    set_for_all(plane, "auto.leader.rebalance.enable", "false");
    plane_create(plane, "t", 1, three, 3, 3);
    plane_create(plane, "u", 1, two, 2, 2);
    plane_create(plane, "v", 1, two, 2, 2);
    plane_create(plane, "lost", 1, (int32_t[]){ 4 }, 1, 1);
    plane_create(plane, "behind", 1, (int32_t[]){ 4, 1 }, 2, 1);
    lose(plane, 2);
    plane_wish_isr(plane, "t", 0, three, 3);
    plane_wish_isr(plane, "v", 0, (int32_t[]){ 3, 2 }, 2);
    plane->silent[4] = true;
    plane_pass(plane, 1500);
    EXPECT_TEXT("nobody is left", "leader=-1 isr= replicas=4,1", plane_said(plane, "behind", 0));
    return plane;
}

static bool says(struct bytes bytes, const char *words)
{
    if (words == NULL) return bytes.data == NULL;
    return bytes.size == strlen(words) && memcmp(bytes.data, words, bytes.size) == 0;
}

TEST(elections_are_answered_as_by_kafka)
{
    for (int16_t version = 0; version <= 2; version++) {
        struct plane *plane = election_plane();
        FOR_EACH(election_row, row, election_rows) {
            struct elect_leaders_request_topic topic = { text_of(row->topic), &row->index, 1 };
            if (version == 0 && row->type != 0) continue; /* it knows one kind */
            PLANE_ASK(elect_leaders, API_ELECT_LEADERS, version, .election_type = row->type, .topics = &topic,
                      .topics_count = 1)
            EXPECT_EQ(row->why, 1, elect_leaders_answer.topics_count);
            EXPECT_EQ(row->why, row->error, elect_leaders_answer.topics[0].partitions[0].error_code);
            EXPECT(row->why, says(elect_leaders_answer.topics[0].partitions[0].error_message, row->message));
            const bool whole = row->error == ERROR_INVALID_REQUEST && version > 0;
            EXPECT_EQ("of the request", whole ? ERROR_INVALID_REQUEST : 0, elect_leaders_answer.error_code);
            if (row->said != NULL) EXPECT_TEXT(row->why, row->said, plane_said(plane, row->topic, 0));
        }
        EXPECT_EQ("what may be lost is counted", version > 0,
                  (int)controller_view(plane->controller).unclean_elections);
        EXPECT_EQ("and told by who leads now", version > 0, (int)plane->notes[NOTE_LEADER_UNCLEAN]);
        plane_free(plane);
    }
}

TEST(elections_everywhere_answer_what_is_not_as_it_should_be)
{
    struct plane *plane = election_plane();

    PLANE_ASK(elect_leaders, API_ELECT_LEADERS, 2, .election_type = 0)
    EXPECT_EQ("every topic is named", 5, elect_leaders_answer.topics_count);
    uint32_t named = 0, elected = 0;
    for (uint32_t i = 0; i < elect_leaders_answer.topics_count; i++) {
        for (uint32_t j = 0; j < elect_leaders_answer.topics[i].partitions_count; j++) {
            named++;
            elected += elect_leaders_answer.topics[i].partitions[j].error_code == ERROR_NONE;
        }
    }
    EXPECT_EQ("but not who leads already", 4, named);
    EXPECT_EQ("one could", 1, elected);
    EXPECT_TEXT("and does", "leader=2 isr=2,3 replicas=2,3", plane_said(plane, "v", 0));
    plane_free(plane);
}

/* ---- unclean elections ---- */

TEST(nobody_leads_without_all_records_unless_a_topic_allows_it)
{
    uint8_t memory[256];
    struct plane *plane = election_plane();
    struct proposal records = proposal_in(memory, sizeof memory);

    EXPECT_EQ("nothing was lost so far", 0, (int)controller_view(plane->controller).unclean_elections);
    proposal_add_config(&records, &(struct metadata_config_record){ .resource_type = 2,
                                                                    .topic_id = plane_topic_id(text_of("behind")),
                                                                    .name = text_of("unclean.leader.election.enable"),
                                                                    .value = text_of("true") });
    plane_put(plane, &records);
    EXPECT_TEXT("allowed", "leader=1 isr=1 replicas=4,1", plane_said(plane, "behind", 0));
    EXPECT_TEXT("of this topic alone", "leader=-1 isr= replicas=4", plane_said(plane, "lost", 0));
    EXPECT_EQ("counted", 1, (int)controller_view(plane->controller).unclean_elections);
    EXPECT_EQ("and told", 1, (int)plane->notes[NOTE_LEADER_UNCLEAN]);
    plane_free(plane);
}

/* ---- races ---- */

/* Two changes that were decided on the same state cannot both win: the second one was meant for what is no more. */
TEST(the_first_change_wins)
{
    static const int32_t sets[2][2] = { { 1, 2 }, { 1, 3 } };
    struct plane *plane = plane_new(3);

    plane_create(plane, "t", 1, three, 3, 3);
    uint8_t memory[2][512];
    for (int way = 0; way < 2; way++) {
        struct proposal records = proposal_in(memory[way], sizeof memory[way]);
        struct metadata_partition_change_record change = metadata_partition_change_record_default;
        const struct image_partition *partition = plane_partition(plane, "t", 0);
        change.topic_id = plane_topic_id(text_of("t"));
        change.leader_epoch = partition->leader_epoch;
        change.partition_epoch = partition->partition_epoch;
        change.isr = (int32_t *)(uintptr_t)sets[way];
        change.isr_count = 2;
        proposal_add_partition_change(&records, &change);
        group_append(group.term, proposal_bytes(&records));
    }
    plane_settle(plane);
    EXPECT_TEXT("not the second one", "leader=1 isr=1,2 replicas=1,2,3", plane_said(plane, "t", 0));
    plane_free(plane);
}

/* A broker is fenced, and only some of its partitions know that yet: nobody decides anything by such an image. */
TEST(nothing_is_decided_while_an_image_is_between_two_states)
{
    struct plane *plane = plane_new(3);
    struct controller *controller = plane->controller;
    uint8_t memory[64];
    struct proposal records = proposal_in(memory, sizeof memory);
    struct metadata_broker_change_record change = metadata_broker_change_record_default;
    struct image_change applied;
    struct wish wish;

    plane_create(plane, "t", 300, two, 2, 2);
    change.broker_id = 2;
    change.epoch = image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), 2))->epoch;
    change.fenced = 1;
    proposal_add_broker_change(&records, &change);
    group_append(group.term, proposal_bytes(&records));
    group.committed = group.last;
    group_hear(1, group.committed);
    plane->effects.count = 0;
    controller_on_time(controller, plane->now_ns);
    for (int i = 0; i < 3; i++)
        EXPECT("something changes", controller_next_change(controller, &applied, &plane->effects));
    EXPECT("and more will", image_is_draining(plane_image(plane)));
    const uint64_t asked = controller_wish(controller, API_ELECT_LEADERS, 2, (struct bytes){ 0 }, UINT64_MAX);
    EXPECT("it waits", !controller_next_wish(controller, &wish, &plane->effects));
    while (controller_next_change(controller, &applied, &plane->effects)) {
    }
    EXPECT("then it is decided", controller_next_wish(controller, &wish, &plane->effects));
    controller_dismiss(controller, WISH_MALFORMED);
    controller_forget(controller, asked);
    controller_commit(controller, &plane->effects);
    plane_settle(plane);
    plane_free(plane);
}

/* ---- what a disk remembers ---- */

/* Broker 2 starts again: it led "alone" as the only replica, "pair" as the last one in sync, and "three". */
static const struct disk_row {
    const char *why;
    int64_t knows; /* of its registrations: 1 the last one, 0 the one before, -1 none */
    const char *alone, *pair, *three;
    int unclean; /* elections */
    bool noted;
} disk_rows[] = {
    { "its own disk", 1, "leader=2 isr=2 replicas=2", "leader=2 isr=2 replicas=2,4", "leader=1 isr=1,3 replicas=2,1,3",
      0, false },
    { "an older copy of it", 0, "leader=2 isr=2 replicas=2", "leader=-1 isr= replicas=2,4",
      "leader=1 isr=1,3 replicas=2,1,3", 1, true },
    { "an empty one", -1, "leader=2 isr=2 replicas=2", "leader=-1 isr= replicas=2,4", "leader=1 isr=1,3 replicas=2,1,3",
      1, true },
};

TEST(a_disk_that_forgot_is_found_out)
{
    FOR_EACH(disk_row, row, disk_rows) {
        struct plane *plane = plane_new(4);
        const int64_t before = image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), 2))->epoch;
        plane_restart(plane, 2, before);
        plane_pass(plane, 300);
        const int64_t last = image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), 2))->epoch;
        EXPECT("it was relied on in that life", last > before);
        plane_create(plane, "alone", 1, two, 1, 1);
        plane_create(plane, "pair", 1, (int32_t[]){ 2, 4 }, 2, 1);
        plane_create(plane, "three", 1, (int32_t[]){ 2, 1, 3 }, 3, 3);
        plane_restart(plane, 2, row->knows == 1 ? last : row->knows == 0 ? before : -1);
        plane_pass(plane, 300);
        EXPECT_TEXT(row->why, row->alone, plane_said(plane, "alone", 0));
        EXPECT_TEXT(row->why, row->pair, plane_said(plane, "pair", 0));
        EXPECT_TEXT(row->why, row->three, plane_said(plane, "three", 0));
        EXPECT_EQ(row->why, row->unclean, (int)controller_view(plane->controller).unclean_elections);
        EXPECT_EQ(row->why, row->noted, plane->notes[NOTE_BROKER_UNCLEAN] == 1);
        EXPECT_EQ(row->why, row->unclean > 0, plane_partition(plane, "alone", 0)->recovering);
        plane_free(plane);
    }
}

TEST(a_disk_that_was_never_relied_on_has_nothing_to_remember)
{
    struct plane *plane = plane_new(1);

    for (int start = 0; start < 3; start++) { /* it never gets as far as to be unfenced */
        plane_restart(plane, 2, -1);
        EXPECT_EQ("it is new", 0, (int)plane->notes[NOTE_BROKER_UNCLEAN]);
    }
    plane_free(plane);
}

/* ---- as many replicas as there shall be ---- */

/* Every leader finds that whoever is to be added has caught up. */
static void catch_up(struct plane *plane)
{
    const struct image *image = plane_image(plane);

    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        char name[TOPIC_NAME_SIZE_MAX + 1] = "";
        memcpy(name, image_topic(image, topic)->name, image_topic(image, topic)->name_size);
        for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
             slot = image_partition(image, slot)->next_partition) {
            const struct image_partition *partition = image_partition(image, slot);
            const replica_set joins = partition_able(image, partition) & (replica_set)~partition->isr;
            int32_t ids[REPLICAS_MAX];
            if (partition->leader == -1 || joins == 0) continue;
            plane_wish_isr(plane, name, partition->index, ids,
                           image_partition_brokers(partition, partition->isr | joins, ids));
        }
    }
}

static void run_for(struct plane *plane, uint32_t seconds)
{
    for (uint32_t i = 0; i < seconds; i++) {
        plane_pass(plane, 1000);
        catch_up(plane);
    }
}

/* It is meant to have so many replicas. */
static void set_target(struct plane *plane, const char *name, int8_t target)
{
    uint8_t memory[256];
    struct proposal records = proposal_in(memory, sizeof memory);
    struct metadata_partition_change_record change = metadata_partition_change_record_default;
    const struct image_partition *partition = plane_partition(plane, name, 0);

    change.topic_id = plane_topic_id(text_of(name));
    change.leader_epoch = partition->leader_epoch;
    change.partition_epoch = partition->partition_epoch;
    change.replica_target = target;
    proposal_add_partition_change(&records, &change);
    plane_put(plane, &records);
}

TEST(topics_grow_and_shrink_with_the_cluster)
{
    struct plane *plane = plane_new(1);

    plane_create(plane, "t", 1, three, 1, 1);
    set_target(plane, "t", 3);
    plane_register(plane, 2, false);
    plane_pass(plane, 3000);
    EXPECT_TEXT("a second one", "leader=1 isr=1 replicas=1,2 adding=2", plane_said(plane, "t", 0));
    run_for(plane, 2);
    EXPECT_TEXT("is in sync", "leader=1 isr=1,2 replicas=1,2", plane_said(plane, "t", 0));
    plane_register(plane, 3, false);
    plane_register(plane, 4, false);
    run_for(plane, 4);
    EXPECT_EQ("three are enough", 3, plane_partition(plane, "t", 0)->replica_count);
    plane_free(plane);
}

/* A node that leaves keeps what nobody else has yet. */
TEST(who_leaves_is_emptied_first)
{
    struct plane *plane = plane_new(3);
    struct controller_answer answer;

    plane_create(plane, "alone", 3, two, 1, 1);
    plane_create(plane, "pair", 3, two, 2, 2);
    plane_pass(plane, 2000);
    controller_begin(plane->controller);
    EXPECT_TEXT("as it was", "leader=2 isr=2 replicas=2", plane_said(plane, "alone", 0));

    uint8_t memory[256];
    struct text message = text_in(answer.message_data, sizeof answer.message_data);
    struct proposal records = proposal_in(memory, sizeof memory);
    EXPECT_EQ("it may", ERROR_NONE, decide_leaving(plane_image(plane), 2, true, &records, &message));
    plane_put(plane, &records);
    plane_pass(plane, 3000);
    EXPECT("it is still there", (plane_partition(plane, "alone", 0)->isr & 3) != 0);
    EXPECT_EQ("with all it has", 6,
              image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), 2))->replica_count);
    run_for(plane, 5);
    EXPECT("it has nothing left",
           image_broker_by_id(plane_image(plane), 2) == SLOT_NONE ||
               image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), 2))->replica_count == 0);
    for (int32_t index = 0; index < 3; index++) {
        EXPECT_EQ("as many as before", 1, plane_partition(plane, "alone", index)->replica_count);
        EXPECT_EQ("as many as before", 2, plane_partition(plane, "pair", index)->replica_count);
        EXPECT("somebody leads", plane_partition(plane, "alone", index)->leader != -1);
    }
    plane_free(plane);
}

/* Marked as leaving. */
static void leave(struct plane *plane, int32_t id)
{
    uint8_t memory[256];
    char words[256];
    struct text message = text_in(words, sizeof words);
    struct proposal records = proposal_in(memory, sizeof memory);

    EXPECT_EQ("it may", ERROR_NONE, decide_leaving(plane_image(plane), id, true, &records, &message));
    plane_put(plane, &records);
}

TEST(who_cannot_leave_yet_holds_nobody_up)
{
    struct plane *plane = plane_new(4);

    plane_create(plane, "alone", 1, two, 1, 1);
    plane->silent[2] = true; /* and alone has what is to be moved */
    plane_pass(plane, 30000);
    EXPECT_TEXT("nobody can copy it", "leader=-1 isr= replicas=2", plane_said(plane, "alone", 0));
    leave(plane, 2);
    leave(plane, 3);
    plane_pass(plane, 1000);
    plane->silent[3] = true; /* nothing is left on it: it is on no member list any more, and halts */
    plane_pass(plane, 5000);
    operations_work(plane->controller); /* as each look at the member list does, which this world lacks */
    plane_settle(plane);
    EXPECT("one waits", image_broker_by_id(plane_image(plane), 2) != SLOT_NONE);
    EXPECT("the other one has left", image_broker_by_id(plane_image(plane), 3) == SLOT_NONE);
    plane_free(plane);
}

/* This world has no member list, so whoever leaves is on it no more. */
TEST(who_has_left_does_not_stay)
{
    struct plane *plane = plane_new(3);
    plane_create(plane, "alone", 1, two, 1, 1);
    leave(plane, 2);
    PLANE_ASK(operate, API_OPERATE, 0, .operation = OPERATION_ADD_NODE, .node_id = 2)
    EXPECT_EQ("it is too late", ERROR_INVALID_REQUEST, operate_answer.error_code);
    EXPECT("it still leaves", image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), 2))->leaving);
    plane_free(plane);
}

/* A topic was decided before its broker was to leave, or by another leader, and is not applied yet: nobody knows of its
 * only replica, on a broker that seems to be empty. */
TEST(what_is_under_way_to_a_broker_keeps_it)
{
    struct plane *plane = plane_new(3);
    uint8_t memory[512];
    struct proposal records = proposal_in(memory, sizeof memory);
    const int32_t third[] = { 3 };
    struct metadata_partition_record partition = metadata_partition_record_default;

    leave(plane, 3);
    EXPECT("it would go with the next look", image_broker_by_id(plane_image(plane), 3) != SLOT_NONE);
    partition.topic_id = plane_topic_id(text_of("late"));
    partition.replicas = (int32_t *)(uintptr_t)third;
    partition.replicas_count = 1;
    partition.leader = 3;
    proposal_add_topic(&records, &(struct metadata_topic_record){ text_of("late"), partition.topic_id, false, 1 });
    proposal_add_partition(&records, &partition);
    group_append(group.term, proposal_bytes(&records));
    operations_work(plane->controller);
    plane_settle(plane);
    EXPECT("it is still there", image_broker_by_id(plane_image(plane), 3) != SLOT_NONE);
    EXPECT("and leads", plane_partition(plane, "late", 0)->leader == 3);
    for (int round = 0; round < 10; round++) {
        plane_pass(plane, 1000);
        catch_up(plane);
        operations_work(plane->controller);
    }
    plane_settle(plane);
    EXPECT("it went when that was elsewhere", image_broker_by_id(plane_image(plane), 3) == SLOT_NONE);
    EXPECT("which has a leader", plane_partition(plane, "late", 0)->leader > 0);
    EXPECT_EQ("and lost nothing", 0, plane_partition(plane, "late", 0)->last_unclean_leader_epoch);
    plane_free(plane);
}

TEST(who_alone_has_records_is_not_unregistered)
{
    struct plane *plane = plane_new(3);
    struct controller_answer answer;

    plane_create(plane, "alone", 1, two, 1, 1);
    plane->silent[2] = plane->silent[3] = true;
    plane_pass(plane, 30000);
    for (int32_t id = 2; id <= 3; id++) {
        answer = (struct controller_answer){ 0 };
        answer.message = text_in(answer.message_data, sizeof answer.message_data);
        controller_begin(plane->controller);
        controller_unregister(plane->controller, id, &answer);
        EXPECT_EQ("only who has nothing that nobody else has", id == 2 ? ERROR_INVALID_REQUEST : ERROR_NONE,
                  answer.error);
    }
    plane_free(plane);
}

TEST(there_are_no_more_brokers_than_there_is_room_for)
{
    struct plane *plane = plane_new(PLANE_BROKERS_MAX);

    plane_restart(plane, PLANE_BROKERS_MAX + 1, -1);
    EXPECT_EQ("it has to wait", PLANE_BROKERS_MAX, image_view(plane_image(plane)).broker_count);
    plane_restart(plane, PLANE_BROKERS_MAX, -1);
    EXPECT_EQ("who is known is not kept waiting", 1, (int)plane->notes[NOTE_BROKER_UNCLEAN]);
    plane_free(plane);
}

static uint32_t replicas_of(const struct plane *plane, int32_t id)
{
    return image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), id))->replica_count;
}

static uint32_t leaders_of(const struct plane *plane, int32_t id)
{
    return image_broker(plane_image(plane), image_broker_by_id(plane_image(plane), id))->leader_count;
}

TEST(evenness_comes_when_it_is_asked_for)
{
    struct plane *plane = plane_new(4);
    enum { EACH = 30 };
    uint32_t most = 0;

    for (int32_t index = 0; index < 4; index++) {
        char name[8];
        sprintf(name, "t%d", index);
        plane_create(plane, name, EACH, three, 3, 3);
    }
    run_for(plane, 5);
    EXPECT_EQ("nobody asked", 0, (int)replicas_of(plane, 4));
    EXPECT_EQ("a quarter would have to move", 90, (int)controller_rebalance_view(plane->controller).left);
    for (int time = 0; time < 2; time++) {
        PLANE_ASK(operate, API_OPERATE, 0, .operation = OPERATION_REBALANCE)
        EXPECT_EQ("asked", ERROR_NONE, operate_answer.error_code);
        EXPECT("it is said what comes of it", operate_answer.message.size > 0);
    }
    EXPECT("the image says so", image_view(plane_image(plane)).evens);
    for (int round = 0; round < 60; round++) {
        plane_pass(plane, 1000);
        if (round == 0) {
            EXPECT("not done yet", controller_rebalance_view(plane->controller).left > 0);
            group_elect(1, 0); /* who leads from now on was asked for nothing */
        }
        most = MAX(most, image_view(plane_image(plane)).reassigning_count);
        catch_up(plane);
    }
    EXPECT("a few at a time", most > 0 && most <= BALANCE_MOVES_MAX + BALANCE_RECORDS_MAX);
    for (int32_t id = 1; id <= 4; id++) {
        EXPECT("as many as any other", replicas_of(plane, id) >= 89 && replicas_of(plane, id) <= 91);
    }
    EXPECT_EQ("and then it is done", 0, image_view(plane_image(plane)).reassigning_count);
    EXPECT("and taken back", !image_view(plane_image(plane)).evens);
    EXPECT_EQ("nothing is left", 0, (int)controller_rebalance_view(plane->controller).left);
    for (int32_t id = 1; id <= 4; id++) {
        EXPECT("each leads as many, before anybody looked for it by itself",
               leaders_of(plane, id) >= 28 && leaders_of(plane, id) <= 32);
    }
    plane_free(plane);
}

/* Replicas are as they should be, leaders are not. */
TEST(leaders_are_spread_when_nothing_has_to_move)
{
    struct plane *plane = plane_new(3);

    set_for_all(plane, "auto.leader.rebalance.enable", "false");
    plane_create(plane, "t", 1, two, 2, 2);
    lose(plane, 2);
    plane_wish_isr(plane, "t", 0, (int32_t[]){ 3, 2 }, 2);
    EXPECT_TEXT("another one leads", "leader=3 isr=2,3 replicas=2,3", plane_said(plane, "t", 0));
    PLANE_ASK(operate, API_OPERATE, 0, .operation = OPERATION_REBALANCE)
    EXPECT_EQ("asked", ERROR_NONE, operate_answer.error_code);
    plane_pass(plane, 200);
    EXPECT_TEXT("at once", "leader=2 isr=2,3 replicas=2,3", plane_said(plane, "t", 0));
    EXPECT("it is looked at once more", image_view(plane_image(plane)).evens);
    plane_pass(plane, 1500);
    EXPECT("then it is done", !image_view(plane_image(plane)).evens);
    plane_free(plane);
}

/* Who is alone has nothing to be spread. */
TEST(evenness_ends_where_there_is_nothing_to_do)
{
    struct plane *plane = plane_new(1);

    plane_create(plane, "t", 3, (int32_t[]){ 1 }, 1, 1);
    PLANE_ASK(operate, API_OPERATE, 0, .operation = OPERATION_REBALANCE)
    EXPECT_EQ("asked", ERROR_NONE, operate_answer.error_code);
    plane_pass(plane, 1500);
    EXPECT("and done", !image_view(plane_image(plane)).evens);
    plane_free(plane);
}

TEST(what_was_decided_is_waited_for)
{
    struct plane *plane = plane_new(3);

    set_for_all(plane, "leader.imbalance.check.interval.seconds", "10");
    plane_create(plane, "t", 1, two, 2, 2);
    lose(plane, 2);
    plane_wish_isr(plane, "t", 0, (int32_t[]){ 3, 2 }, 2);
    const uint64_t last = group.last;
    plane->holds = true;
    for (int tenths = 0; tenths < 300; tenths++) {
        plane->now_ns += 100 * PLANE_MS;
        for (int32_t id = 2; id <= 3; id++) plane_beat(plane, id);
        plane_step(plane);
    }
    EXPECT_EQ("it was proposed once", (int64_t)last + 1, (int64_t)group.last);
    plane->holds = false;
    plane_settle(plane);
    EXPECT_TEXT("and comes about", "leader=2 isr=2,3 replicas=2,3", plane_said(plane, "t", 0));
    plane_free(plane);
}

/* ---- wishes that are asked again ---- */

/* Node 2 asks for an election of all preferred leaders. */
static void ask_for_leaders(struct plane *plane, uint32_t attempt)
{
    const uint32_t slot = image_broker_by_id(plane_image(plane), 2);
    uint8_t frame[256];
    const struct wish wish = { .sequence = 1,
                               .first_open = 1,
                               .attempt = attempt,
                               .kind = API_ELECT_LEADERS,
                               .version = 2,
                               .term = group.term,
                               .incarnation = image_broker(plane_image(plane), slot)->incarnation };
    const struct elect_leaders_request request = { .timeout_ms = 1000 };
    struct writer body = writer_of(frame + WISH_HEAD_SIZE, sizeof frame - WISH_HEAD_SIZE);

    wish_write(&wish, frame);
    elect_leaders_request_write(&body, 2, &request);
    EXPECT("understood", controller_on_peer_frame(
                             plane->controller, 2, (uint64_t)2 << MEMBER_SUFFIX_BITS | 1, CONTROLLER_FRAME_WISH,
                             (struct bytes){ frame, WISH_HEAD_SIZE + writer_written(&body).size }, &plane->effects));
    for (int i = 0; i < 4; i++) plane_step(plane);
}

/* Its origin has not heard of it for a while, and asks once more: what is proposed will show in the log. */
TEST(what_is_under_way_is_not_decided_again)
{
    struct plane *plane = plane_new(3);

    set_for_all(plane, "auto.leader.rebalance.enable", "false");
    plane_create(plane, "t", 1, two, 2, 2);
    lose(plane, 2);
    plane_wish_isr(plane, "t", 0, (int32_t[]){ 3, 2 }, 2);
    const uint64_t before = group.last;
    plane->holds = true;
    ask_for_leaders(plane, 1);
    EXPECT_EQ("decided", before + 1, group.last);
    ask_for_leaders(plane, 2);
    EXPECT_EQ("once", before + 1, group.last);
    plane->holds = false;
    plane_settle(plane);
    EXPECT_TEXT("and done", "leader=2 isr=2,3 replicas=2,3", plane_said(plane, "t", 0));
    plane_free(plane);
}
