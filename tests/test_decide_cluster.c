/* What the cluster decides about partitions and brokers when it is asked: ISR changes, elections, reassignments,
 * leaving. Rows of a play: something happens, then somebody asks; the error, and what the partition says then. */
#include "cluster_world.h"
#include "controller/decide.h"

struct court {
    struct cluster cluster;
    struct placement placement;
    uint32_t memory[4 * 8];
    uint8_t records_memory[4096];
    struct proposal records;
    char words[256];
    struct text message;
};

static struct court *court_new(void)
{
    struct court *court = calloc(1, sizeof *court);

    court->cluster = cluster_new();
    placement_init(&court->placement, court->memory, 8);
    return court;
}

static void court_free(struct court *court)
{
    free(court->cluster.image);
    free(court);
}

static void sit(struct court *court)
{
    court->records = proposal_in(court->records_memory, sizeof court->records_memory);
    memset(court->words, 0, sizeof court->words);
    court->message = text_in(court->words, sizeof court->words - 1);
    placement_refresh(&court->placement, court->cluster.image);
}

static uint32_t partition_slot(const struct court *court)
{
    return image_partition_slot(court->cluster.image, image_topic_by_name(court->cluster.image, BYTES_LITERAL("t")), 0);
}

/* ---- AlterPartition ---- */

/* "by 1 isr 1,2 le+1 pe-1 recovering epoch 2-1": who asks, for what, and what it gets wrong. */
static enum error ask_isr(struct court *court, const char *words)
{
    const struct image_partition *partition = cluster_partition(&court->cluster);
    int32_t ids[REPLICAS_MAX];
    struct wish_isr_record_member members[REPLICAS_MAX];
    const char *isr = strstr(words, "isr "), *epoch = strstr(words, "epoch ");
    struct wish_isr_record_partition wish = { .topic_id = cluster_topic_id(),
                                              .leader_epoch = partition->leader_epoch,
                                              .partition_epoch = partition->partition_epoch,
                                              .recovering = strstr(words, "recovering") != NULL,
                                              .isr = members };

    wish.isr_count = cluster_ids(isr + 4, ids);
    for (uint32_t i = 0; i < wish.isr_count; i++) {
        const uint32_t slot = image_broker_by_id(court->cluster.image, ids[i]);
        members[i].broker_id = ids[i];
        members[i].broker_epoch = slot == SLOT_NONE ? 1 : image_broker(court->cluster.image, slot)->epoch;
        if (epoch != NULL && atoi(epoch + 6) == ids[i]) members[i].broker_epoch--;
    }
    if (strstr(words, "le+") != NULL) wish.leader_epoch++;
    if (strstr(words, "le-") != NULL) wish.leader_epoch--;
    if (strstr(words, "pe+") != NULL) wish.partition_epoch++;
    if (strstr(words, "pe-") != NULL) wish.partition_epoch--;
    if (strstr(words, "topic?") != NULL) wish.topic_id.bytes[0]++;
    if (strstr(words, "index?") != NULL) wish.index = 7;
    return decide_isr(court->cluster.image, atoi(words + 3), &wish, &court->records);
}

static enum error ask_replicas(struct court *court, const char *words)
{
    int32_t ids[32];
    struct decision decision = { .image = court->cluster.image,
                                 .placement = &court->placement,
                                 .records = &court->records,
                                 .message = &court->message };
    const bool reverts = strcmp(words, "none") == 0;
    const uint32_t count = reverts ? 0 : cluster_ids(words, ids);

    return decide_reassignment(&decision, partition_slot(court), reverts ? NULL : ids, count);
}

static enum error ask(struct court *court, const char *question)
{
    const struct image *image = court->cluster.image;
    char verb[32], words[128] = "";

    sscanf(question, "%31s %127[^\n]", verb, words);
    if (strcmp(verb, "by") == 0) return ask_isr(court, question);
    if (strcmp(verb, "preferred") == 0) {
        return decide_election(image, partition_slot(court), ELECT_PREFERRED, &court->records);
    }
    if (strcmp(verb, "anybody") == 0) {
        return decide_election(image, partition_slot(court), ELECT_ANYBODY, &court->records);
    }
    if (strcmp(verb, "reassign") == 0) return ask_replicas(court, words);
    if (strcmp(verb, "leave") == 0) return decide_leaving(image, atoi(words), true, &court->records, &court->message);
    if (strcmp(verb, "stay") == 0) return decide_leaving(image, atoi(words), false, &court->records, &court->message);
    if (strcmp(verb, "unregister") == 0) {
        return decide_unregistration(image, atoi(words), false, &court->records, &court->message);
    }
    if (strcmp(verb, "forget") == 0) {
        return decide_unregistration(image, atoi(words), true, &court->records, &court->message);
    }
    if (strcmp(verb, "needed") == 0) {
        return decide_is_only_survivor(image, atoi(words)) ? ERROR_INVALID_REQUEST : ERROR_NONE;
    }
    if (strcmp(verb, "level") == 0) {
        return decide_feature_level(image, (int16_t)atoi(words), &court->records, &court->message);
    }
    CHECK(false);
    return ERROR_NONE;
}

struct ask_row {
    const char *why;
    const char *deeds; /* before it, separated by ';' */
    const char *question;
    enum error error;
    const char *said; /* NULL: nothing was to be changed */
    const char *message;
};

static void play(const struct ask_row *rows, size_t count)
{
    struct court *court = court_new();

    for (const struct ask_row *row = rows; row < rows + count; row++) {
        char deeds[256];
        snprintf(deeds, sizeof deeds, "%s", row->deeds);
        for (char *deed = strtok(deeds, ";"); deed != NULL; deed = strtok(NULL, ";")) {
            cluster_do(&court->cluster, deed + strspn(deed, " "));
        }
        char before[512];
        snprintf(before, sizeof before, "%s", cluster_said(&court->cluster));
        sit(court);
        EXPECT_EQ(row->why, row->error, ask(court, row->question));
        EXPECT_TEXT(row->why, row->message == NULL ? "" : row->message, court->words);
        EXPECT_EQ(row->why, row->said != NULL, court->records.record_count);
        if (row->said != NULL) cluster_apply(&court->cluster, &court->records);
        EXPECT_TEXT(row->why, row->said != NULL ? row->said : before, cluster_said(&court->cluster));
    }
    court_free(court);
}

#define PLAY_COURT(rows) play((rows), sizeof(rows) / sizeof((rows)[0]))

/* clang-format off */
static const struct ask_row isr_rows[] = {
    { "another topic", "broker 1; broker 2; broker 3; create 1,2,3", "by 1 isr 1 topic?",
      ERROR_UNKNOWN_TOPIC_ID, NULL, NULL },
    { "another partition", "", "by 1 isr 1 index?", ERROR_UNKNOWN_TOPIC_OR_PARTITION, NULL, NULL },
    { "the leader has seen more than this controller", "", "by 1 isr 1 le+", ERROR_NOT_CONTROLLER, NULL, NULL },
    { "the same of the partition's epoch", "", "by 1 isr 1 pe+", ERROR_NOT_CONTROLLER, NULL, NULL },
    { "a follower asks", "", "by 2 isr 1,2", ERROR_INVALID_REQUEST, NULL, NULL },
    { "somebody who is no replica", "broker 4", "by 1 isr 1,4", ERROR_INVALID_REQUEST, NULL, NULL },
    { "somebody twice", "", "by 1 isr 1,2,2", ERROR_INVALID_REQUEST, NULL, NULL },
    { "it is so already", "", "by 1 isr 1,2,3", ERROR_NONE, NULL, NULL },
    { "a shrink", "", "by 1 isr 1,3", ERROR_NONE, "leader=1 epoch=0/1 isr=1,3 replicas=1,2,3", NULL },
    { "decided on what was before that", "", "by 1 isr 1,2,3 pe-", ERROR_INVALID_UPDATE_VERSION, NULL, NULL },
    { "who was meant has started anew since", "", "by 1 isr 1,2,3 epoch 2", ERROR_INELIGIBLE_REPLICA, NULL, NULL },
    { "who is to join is fenced", "fence 2", "by 1 isr 1,2,3", ERROR_INELIGIBLE_REPLICA, NULL, NULL },
    { "or about to go", "unfence 2; shutdown 2", "by 1 isr 1,2,3", ERROR_INELIGIBLE_REPLICA, NULL, NULL },
    { "or unknown", "remove 2", "by 1 isr 1,2,3", ERROR_INELIGIBLE_REPLICA, NULL, NULL },
    { "an expansion", "broker 2", "by 1 isr 1,2,3", ERROR_NONE, "leader=1 epoch=0/2 isr=1,2,3 replicas=1,2,3", NULL },
    { "the former leader asks", "fence 1", "by 1 isr 1,2,3 le-", ERROR_FENCED_LEADER_EPOCH, NULL, NULL },
    { "nobody leads: so nobody may ask", "fence 2; fence 3", "by 3 isr 3", ERROR_INVALID_REQUEST, NULL, NULL },
    { "a leader that nobody would have wished for", "elect-anybody; unfence 1; shutdown 1; elect-anybody",
      "by 1 isr 1 recovering", ERROR_INVALID_REQUEST, NULL, NULL },
};

TEST(isr_changes_are_judged_as_by_kafka)
{
    PLAY_COURT(isr_rows);
}

/* A leader whose disk is full asks to leave. */
static const struct ask_row resign_rows[] = {
    { "who stays is about to go: nobody would lead", "broker 1; broker 2; broker 3; create 1,2,3; shutdown 2; fence 3",
      "by 1 isr 2", ERROR_INVALID_REQUEST, NULL, NULL },
    { "who stays is fenced, so not in sync", "remove 2; broker 2", "by 1 isr 3", ERROR_INVALID_REQUEST, NULL, NULL },
    { "others would join: they have to be in first", "unfence 3", "by 1 isr 2,3", ERROR_INVALID_REQUEST, NULL, NULL },
    { "so they join", "", "by 1 isr 1,2,3", ERROR_NONE, "leader=1 epoch=0/3 isr=1,2,3 replicas=1,2,3", NULL },
    { "a follower cannot ask for it", "", "by 2 isr 2,3", ERROR_INVALID_REQUEST, NULL, NULL },
    { "the first of those that stay leads", "", "by 1 isr 2,3", ERROR_NEW_LEADER_ELECTED,
      "leader=2 epoch=1/4 isr=2,3 replicas=1,2,3", NULL },
    { "too few would stay to commit", "", "by 2 isr 3", ERROR_INVALID_REQUEST, NULL, NULL },
};

TEST(a_leader_may_leave_who_has_a_successor)
{
    PLAY_COURT(resign_rows);
}

static const struct ask_row recovery_rows[] = {
    { "it does not recover", "broker 1; broker 2; create 1,2", "by 1 isr 1 recovering",
      ERROR_INVALID_REQUEST, NULL, NULL },
    { "it recovers, and may not be joined meanwhile", "fence 1; fence 2; unfence 1; elect-anybody; unfence 2",
      "by 1 isr 1,2 recovering", ERROR_INVALID_REQUEST, NULL, NULL },
    { "it still does", "", "by 1 isr 1 recovering", ERROR_NONE, NULL, NULL },
    { "done, and joined at once", "", "by 1 isr 1,2", ERROR_NONE,
      "leader=1 epoch=3/4 isr=1,2 replicas=1,2 unclean=3", NULL },
};

TEST(recovery_ends_when_the_leader_says_so)
{
    PLAY_COURT(recovery_rows);
}

static const struct ask_row moved_rows[] = {
    { "the last one in sync is about to go: whoever joins takes over",
      "broker 1; broker 2; create 1,2; fence 2; shutdown 1; unfence 2", "by 1 isr 1,2", ERROR_NEW_LEADER_ELECTED,
      "leader=2 epoch=1/2 isr=2 replicas=1,2", NULL },
    { "a reassignment ends with the change, and the leader is not part of the target",
      "broker 3; replicas 3,1,2 adding 3 removing 2", "by 2 isr 2,3", ERROR_NONE,
      "leader=2 epoch=1/4 isr=3,2 replicas=3,1,2 adding=3 removing=2", NULL },
    { "now it does", "broker 1", "by 2 isr 1,2,3", ERROR_NEW_LEADER_ELECTED,
      "leader=3 epoch=2/5 isr=3,1 replicas=3,1", NULL },
};

TEST(who_moves_himself_away_is_told)
{
    PLAY_COURT(moved_rows);
}

static const struct ask_row election_rows[] = {
    { "it leads already", "broker 1; broker 2; create 1,2", "preferred", ERROR_ELECTION_NOT_NEEDED, NULL, NULL },
    { "somebody leads", "", "anybody", ERROR_ELECTION_NOT_NEEDED, NULL, NULL },
    { "it is not there", "fence 1", "preferred", ERROR_PREFERRED_LEADER_NOT_AVAILABLE, NULL, NULL },
    { "it is not in sync", "unfence 1", "preferred", ERROR_PREFERRED_LEADER_NOT_AVAILABLE, NULL, NULL },
    { "now it is", "isr 1,2", "preferred", ERROR_NONE, "leader=1 epoch=2/3 isr=1,2 replicas=1,2", NULL },
    { "nobody is there at all", "fence 1; fence 2", "anybody", ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE, NULL, NULL },
    { "somebody is, who may lack records", "unfence 1", "anybody", ERROR_NONE,
      "leader=1 epoch=5/6 isr=1 replicas=1,2 unclean=5 recovering", NULL },
};

TEST(elections_are_judged_as_by_kafka)
{
    PLAY_COURT(election_rows);
}

static const struct ask_row reassignment_rows[] = {
    { "nothing runs", "broker 1; broker 2; broker 3; create 1,2", "reassign none",
      ERROR_NO_REASSIGNMENT_IN_PROGRESS, NULL, "No partition reassignment is in progress." },
    { "somebody unknown", "", "reassign 1,9", ERROR_INVALID_REPLICA_ASSIGNMENT, NULL,
      "The manual partition assignment includes broker 9, but no such broker is registered." },
    { "somebody twice", "", "reassign 1,1", ERROR_INVALID_REPLICA_ASSIGNMENT, NULL,
      "The manual partition assignment includes the broker 1 more than once." },
    { "somebody who leaves", "leave 3", "reassign 1,3", ERROR_INVALID_REPLICA_ASSIGNMENT, NULL,
      "The manual partition assignment includes broker 3, which is leaving the cluster." },
    { "as it is", "", "reassign 1,2", ERROR_NONE, NULL, NULL },
    { "another order: another preferred leader", "", "reassign 2,1", ERROR_NONE,
      "leader=1 epoch=0/1 isr=2,1 replicas=2,1", NULL },
    { "others", "broker 4; broker 5", "reassign 4,2", ERROR_NONE,
      "leader=1 epoch=0/2 isr=2,1 replicas=4,2,1 adding=4 removing=1", NULL },
    { "yet others: who was being added is dropped at once", "", "reassign 5,2", ERROR_NONE,
      "leader=1 epoch=1/3 isr=2,1 replicas=5,2,1 adding=5 removing=1", NULL },
    { "taken back", "", "reassign none", ERROR_NONE, "leader=1 epoch=2/4 isr=2,1 replicas=2,1", NULL },
    { "all others", "", "reassign 4,5", ERROR_NONE,
      "leader=1 epoch=2/5 isr=2,1 replicas=4,5,2,1 adding=4,5 removing=2,1", NULL },
    { "of whom one is all that is left in sync: back would lose what only it has",
      "isr 1,4; fence 2; fence 1", "reassign none", ERROR_INVALID_REPLICA_ASSIGNMENT, NULL,
      "Unable to revert partition assignment for t:0 because it would require an unclean leader election." },
    { "the same of a third way", "", "reassign 5,2", ERROR_INVALID_REPLICA_ASSIGNMENT, NULL,
      "Unable to change the reassignment of t:0 because it would require an unclean leader election." },
    { "nor when it is eligible only", "fence 4", "reassign none", ERROR_INVALID_REPLICA_ASSIGNMENT, NULL,
      "Unable to revert partition assignment for t:0 because it would require an unclean leader election." },
    { "a topic that takes that", "unclean.leader.election.enable=true; unfence 1", "reassign none", ERROR_NONE,
      "leader=1 epoch=6/10 isr=1 replicas=2,1 unclean=6 recovering", NULL },
};

TEST(reassignments_are_judged_as_by_kafka)
{
    PLAY_COURT(reassignment_rows);
}

static const struct ask_row leaving_rows[] = {
    { "nobody of that name", "broker 1; create 1", "leave 2", ERROR_BROKER_ID_NOT_REGISTERED, NULL,
      "Broker 2 is not registered." },
    { "the last one", "", "leave 1", ERROR_INVALID_REQUEST, NULL, "Broker 1 is the last one that stays." },
    { "the last one, for ever", "", "forget 1", ERROR_INVALID_REQUEST, NULL, "Broker 1 is the last one." },
    { "not the last one any more", "broker 2", "leave 1", ERROR_NONE, "leader=1 epoch=0/0 isr=1 replicas=1", NULL },
    { "once is enough", "", "leave 1", ERROR_NONE, NULL, NULL },
    { "now the other one is", "", "leave 2", ERROR_INVALID_REQUEST, NULL, "Broker 2 is the last one that stays." },
    { "another thought", "", "stay 1", ERROR_NONE, "leader=1 epoch=0/0 isr=1 replicas=1", NULL },
    { "who stays has nothing to do", "", "stay 1", ERROR_NONE, NULL, NULL },
    { "who has replicas is not forgotten", "", "unregister 1", ERROR_INVALID_REQUEST, NULL,
      "Broker 1 still has 1 replica(s), which have to be moved first." },
    { "nor who is alive and was not asked to leave", "", "unregister 2", ERROR_INVALID_REQUEST, NULL,
      "Broker 2 is alive, and is not to leave the cluster." },
    { "who is dead and has nothing is", "fence 2", "unregister 2", ERROR_NONE,
      "leader=1 epoch=0/0 isr=1 replicas=1", NULL },
    { "who is emptied and leaves is", "broker 2; leave 2", "unregister 2", ERROR_NONE,
      "leader=1 epoch=0/0 isr=1 replicas=1", NULL },
    { "who is lost is, with what only it had", "broker 2", "forget 1", ERROR_NONE,
      "leader=-1 epoch=1/1 isr= replicas=1 last_leader=1", NULL },
};

TEST(brokers_leave_when_they_are_empty)
{
    PLAY_COURT(leaving_rows);
}

static const struct ask_row needed_rows[] = {
    { "one of two in sync", "broker 1; broker 2; broker 3; create 1,2", "needed 2", ERROR_NONE, NULL, NULL },
    { "who has nothing", "", "needed 3", ERROR_NONE, NULL, NULL },
    { "who is unknown", "", "needed 9", ERROR_NONE, NULL, NULL },
    { "who fell behind", "fence 2", "needed 2", ERROR_NONE, NULL, NULL },
    { "the only one in sync", "", "needed 1", ERROR_INVALID_REQUEST, NULL, NULL },
    { "the only one eligible, silent", "fence 1", "needed 1", ERROR_INVALID_REQUEST, NULL, NULL },
    { "not the other one, which lacks something", "unfence 2", "needed 2", ERROR_NONE, NULL, NULL },
    { "the last leader, though it lost something", "unfence 1 unclean; fence 1; unfence 1; fence 1", "needed 1",
      ERROR_INVALID_REQUEST, NULL, NULL },
};

TEST(who_alone_has_what_is_committed_is_needed)
{
    PLAY_COURT(needed_rows);
}

static const struct ask_row level_rows[] = {
    { "a level that one does not understand", "broker 1; create 1", "level 2", ERROR_INVALID_UPDATE_VERSION, NULL,
      "Broker 1 does not understand level 2 of metadata.version." },
};

TEST(levels_rise_when_all_understand_them)
{
    PLAY_COURT(level_rows);
}
/* clang-format on */
