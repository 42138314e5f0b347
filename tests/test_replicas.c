/* What replicas do about each thing that goes wrong between them: a rule, a counter, and life goes on. */
#include "replica/frames.h"
#include "replica_calm.h"

TEST(all_of_it_gets_everywhere)
{
    struct lab *lab = lab_of(3, 2);

    produce(lab, 50);
    lab_run(lab, 50);
    for (int32_t id = 1; id <= 3; id++) {
        EXPECT_EQ("everybody has it", offsets_of(lab, 1).log_end_offset, offsets_of(lab, id).log_end_offset);
        EXPECT_EQ("and knows that it is committed", offsets_of(lab, 1).log_end_offset,
                  offsets_of(lab, id).high_watermark);
    }
    EXPECT("nothing was read from a disk for it", counters_of(lab, 1)->reads == 0);
    EXPECT_EQ("two streams were opened once", 2, counters_of(lab, 1)->opened);
    EXPECT_EQ("and nobody refused anything", 0, counters_of(lab, 1)->stale + counters_of(lab, 2)->stale);
    lab_end(lab);
}

TEST(an_observer_gets_everything_and_nobody_waits_for_it)
{
    struct lab *lab = lab_observed(3, 2, 0, lab_bit(3));
    struct replica_view view;

    produce(lab, 50);
    lab_run(lab, 50);
    EXPECT_EQ("it has all", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 3).log_end_offset);
    EXPECT_EQ("and knows that it is committed", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 3).high_watermark);
    EXPECT_EQ("alone it would lack nothing", 0, replicas_lack(lab->nodes[3].replicas).behind);
    lab->net.links[1][3].cut = true;
    net_break(&lab->net, 1, 3);
    produce(lab, 50);
    lab_run(lab, 50);
    EXPECT("it gets nothing", offsets_of(lab, 3).log_end_offset < offsets_of(lab, 1).log_end_offset);
    EXPECT_EQ("and all is committed", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 1).high_watermark);
    const struct replicas_lack lack = replicas_lack(lab->nodes[3].replicas);
    EXPECT_EQ("it knows of one partition", 1, lack.partitions);
    EXPECT("and since when it knows nothing new", lack.silent_ns >= 40 * LAB_MS && lack.silent_ns < 1000 * LAB_MS);
    lab->net.links[1][3].cut = false;
    lab_run(lab, 3000);
    EXPECT_EQ("it catches up", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 3).log_end_offset);
    EXPECT_EQ("and joins no ISR", lab_bit(1) | lab_bit(2), isr_of(lab));
    EXPECT("its leader knows what it is", replicas_view(lab->nodes[1].replicas, lab_log(1, 0), 2, &view));
    EXPECT("and how far it is", view.node_id == 3 && view.observes && view.streaming && !view.in_sync &&
                                    view.held_offset == offsets_of(lab, 1).log_end_offset);
    lab_end(lab);
}

TEST(a_replica_in_sync_is_waited_for_whatever_an_observer_holds)
{
    struct lab *lab = lab_observed(3, 1, 0, lab_bit(3));

    produce(lab, 10);
    lab_run(lab, 50);
    const int64_t committed = offsets_of(lab, 1).high_watermark;
    lab->net.links[1][2].cut = true;
    net_break(&lab->net, 1, 2);
    for (uint32_t i = 0; i < 100; i++) lab_produce(lab);
    lab_run(lab, 50);
    EXPECT("the observer has more", offsets_of(lab, 3).log_end_offset > committed);
    EXPECT_EQ("which is not committed by that", committed, offsets_of(lab, 1).high_watermark);
    lab_end(lab);
}

TEST(a_leader_that_was_deposed_commits_nothing_more)
{
    struct lab *lab = lab_of(3, 1);

    produce(lab, 10);
    lab_run(lab, 50);
    lab->nodes[1].cut_off = true; /* from the metadata: its links to the others stand */
    lab_fence(lab, 1);
    lab_run(lab, 50);
    EXPECT_EQ("another one leads", 1, replicas_leader_epoch(lab->nodes[2].replicas, lab_log(2, 0)));
    EXPECT("who asked the old one to follow: it does not before its metadata says so",
           counters_of(lab, 1)->refused[NACK_UNKNOWN] > 0);
    EXPECT_EQ("nor is the other's word enough to lead no more", 0,
              replicas_leader_epoch(lab->nodes[1].replicas, lab_log(1, 0)));
    const int64_t committed = offsets_of(lab, 1).high_watermark;
    for (uint32_t i = 0; i < 100; i++) lab_produce(lab);
    lab_run(lab, 50);
    EXPECT("it appends", offsets_of(lab, 1).log_end_offset > committed);
    EXPECT_EQ("and commits none of it", committed, offsets_of(lab, 1).high_watermark);
    lab->nodes[1].cut_off = false;
    produce(lab, 10);
    lab_run(lab, 1500);
    EXPECT_EQ("then it does", offsets_of(lab, 2).log_end_offset, offsets_of(lab, 1).log_end_offset);
    EXPECT_EQ("and is in sync again", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    lab_end(lab);
}

TEST(a_leader_that_nobody_can_tell_is_refused_by_those_who_know)
{
    struct lab *lab = lab_of(3, 1);

    lab->net.links[2][1].cut = true; /* the new leader cannot reach the old one */
    produce(lab, 5);
    lab_run(lab, 50);
    const int64_t committed = offsets_of(lab, 1).high_watermark;
    lab->nodes[1].cut_off = true;
    lab_fence(lab, 1);
    lab_run(lab, 20);
    for (uint32_t i = 0; i < 200; i++) lab_produce(lab);
    lab_run(lab, 3000);
    EXPECT("it has appended, and believes that it leads",
           offsets_of(lab, 1).log_end_offset > committed && replicas_leader_epoch(lab->nodes[1].replicas, 1) == 0);
    EXPECT_EQ("it commits none of it", committed, offsets_of(lab, 1).high_watermark);
    EXPECT("it was refused", counters_of(lab, 1)->refusals[NACK_OLD_EPOCH] > 0);
    lab->net.links[2][1].cut = false;
    lab->nodes[1].cut_off = false;
    lab_run(lab, 3000);
    EXPECT("it has given up what others have not", counters_of(lab, 1)->truncations > 0);
    EXPECT_EQ("and has what they have", offsets_of(lab, 2).log_end_offset, offsets_of(lab, 1).log_end_offset);
    lab_end(lab);
}

/* A frame that no replica of ours would send. */
static void inject(struct lab *lab, int32_t to, int32_t from, enum peer_channel channel, enum replica_kind kind,
                   const uint8_t *bytes, uint32_t size)
{
    const struct peer_frame frame = {
        .node_id = from, .channel = channel, .kind = (uint8_t)kind, .payload = { bytes, size }
    };

    lab_begin_step(lab, to);
    EXPECT("it is taken", replicas_on_frame(lab->nodes[to].replicas, &frame, &lab->nodes[to].effects));
    lab_end_step(lab, to);
}

TEST(an_epoch_that_nobody_was_elected_in_fences_nobody)
{
    struct lab *lab = lab_of(3, 1);
    uint8_t bytes[OPEN_SIZE];

    produce(lab, 5);
    lab_run(lab, 50);
    for (int32_t id = 1; id <= 2; id++) {
        open_write(bytes, &(struct open_frame){
                              .topic_id = { .bytes = { 7, 0 } },
                              .leader_epoch = INT32_MAX,
                              .leader_broker_epoch = lab_newest(lab)->brokers[3].epoch,
                              .follower_broker_epoch = lab_newest(lab)->brokers[id].epoch,
                              .session = 99,
                              .bound_epoch = -1,
                              .bound_offset = -1,
                          });
        inject(lab, id, 3, PEER_DATA_IN, REPLICA_OPEN, bytes, sizeof bytes);
    }
    const uint64_t acked = lab->acked;
    produce(lab, 10);
    lab_run(lab, 50);
    EXPECT("who leads goes on", lab->acked > acked);
    EXPECT_EQ("who follows too", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 2).high_watermark);
    lab_fence(lab, 1);
    lab_run(lab, 100);
    EXPECT("and whoever is elected leads", replicas_leader_epoch(lab->nodes[2].replicas, lab_log(2, 0)) > 0);
    lab_end(lab);
}

TEST(an_impossible_ack_ends_the_stream_and_no_more)
{
    struct lab *lab = lab_of(2, 1);
    uint8_t bytes[ACK_HEAD_SIZE + ACK_ENTRY_SIZE];

    produce(lab, 5);
    lab_run(lab, 50);
    const int64_t end = offsets_of(lab, 1).log_end_offset;
    ack_write_head(bytes, lab_newest(lab)->brokers[2].epoch, 1);
    for (uint64_t session = 1; session < 20; session++) {
        ack_write_entry(bytes + ACK_HEAD_SIZE, &(struct ack_entry){ lab_log(1, 0), 0, session, end + 100 });
        inject(lab, 1, 2, PEER_DATA_OUT, REPLICA_ACK, bytes, sizeof bytes);
    }
    EXPECT_EQ("it was found impossible, in the one session that there is", 1, counters_of(lab, 1)->impossible_acks);
    EXPECT_EQ("in all others it is stale", 18, counters_of(lab, 1)->stale);
    EXPECT_EQ("nothing was committed by it", end, offsets_of(lab, 1).high_watermark);
    produce(lab, 5);
    lab_run(lab, 100);
    EXPECT_EQ("another stream was opened", 2, counters_of(lab, 1)->opened);
    EXPECT_EQ("and goes on", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 2).high_watermark);
    lab_end(lab);
}

TEST(frames_that_no_writer_makes_are_counted)
{
    static const uint8_t nonsense[80] = { 1, 2, 3 };
    struct lab *lab = lab_of(2, 1);

    for (int kind = REPLICA_OPEN; kind <= REPLICA_BEAT_ANSWER + 1; kind++) {
        inject(lab, 1, 2, PEER_DATA_OUT, (enum replica_kind)kind, nonsense, sizeof nonsense);
        inject(lab, 1, 2, PEER_DATA_IN, (enum replica_kind)kind, nonsense, sizeof nonsense);
    }
    EXPECT("each of them", counters_of(lab, 1)->malformed + counters_of(lab, 1)->stale >= 15);
    produce(lab, 5);
    lab_run(lab, 100);
    EXPECT_EQ("and the stream goes on", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 2).high_watermark);
    lab_end(lab);
}

TEST(batches_that_arrive_damaged_are_asked_for_again)
{
    struct lab *lab = lab_of(2, 1);

    lab->net.flip_chance = 200;
    produce(lab, 60);
    lab->net.flip_chance = 0;
    lab_run(lab, 3000);
    EXPECT("some were", lab->net.flips > 0);
    EXPECT("and found out", counters_of(lab, 2)->refused[NACK_INVALID] > 0);
    EXPECT_EQ("all of it has arrived", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 2).high_watermark);
    lab_end(lab);
}

TEST(a_replica_that_would_lose_what_is_committed_is_left_as_it_is)
{
    struct lab *lab = lab_of(2, 1);

    lab->unjudged = true;
    isolate(lab, 2, true);
    lab_run(lab, 2000);
    EXPECT_EQ("who is not reached leaves the ISR", lab_bit(1), isr_of(lab));
    produce(lab, 20);
    lab_run(lab, 50);
    const int64_t end = offsets_of(lab, 1).log_end_offset;
    EXPECT_EQ("then it is committed without him", end, offsets_of(lab, 1).high_watermark);

    /* Somebody makes him the leader, and says to nobody that this loses records. */
    struct lab_config *config = &lab_begin_state(lab)->configs[0];
    config->leader = 2;
    config->isr = lab_bit(2);
    config->leader_epoch++;
    config->partition_epoch++;
    isolate(lab, 2, false);
    lab_run(lab, 3000);
    EXPECT_EQ("nothing was given up", end, offsets_of(lab, 1).log_end_offset);
    EXPECT_EQ("it is counted", 1, counters_of(lab, 1)->offline);
    EXPECT("and said to the leader, again and again", counters_of(lab, 2)->refusals[NACK_OFFLINE] > 1);

    config = &lab_begin_state(lab)->configs[0];
    config->last_unclean_epoch = config->leader_epoch;
    config->partition_epoch++;
    lab_run(lab, 4000);
    EXPECT_EQ("now that it was meant, it is", offsets_of(lab, 2).log_end_offset, offsets_of(lab, 1).log_end_offset);
    EXPECT_EQ("and both are in sync", lab_bit(1) | lab_bit(2), isr_of(lab));
    lab_end(lab);
}

TEST(a_full_disk_leaves_the_isr_at_once)
{
    struct lab *lab = lab_of(3, 1);

    lab->nodes[3].disk->full = true;
    produce(lab, 100);
    lab_run(lab, 300); /* less than the lag */
    EXPECT_EQ("so others go on", lab_bit(1) | lab_bit(2), isr_of(lab));
    EXPECT_EQ("and commit", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 1).high_watermark);
    lab->nodes[3].disk->full = false;
    lab_run(lab, 5000);
    EXPECT_EQ("with space again, it comes back", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    lab_end(lab);
}

TEST(a_leader_whose_disk_is_full_hands_over)
{
    struct lab *lab = lab_of(3, 1);
    const int64_t before = offsets_of(lab, 1).log_end_offset;

    lab->nodes[1].disk->full = true;
    produce(lab, 100);
    lab_run(lab, 1000); /* less than the lag */
    EXPECT_EQ("another one leads", 2, lab_newest(lab)->configs[0].leader);
    EXPECT_EQ("without the full one", lab_bit(2) | lab_bit(3), isr_of(lab));
    const int64_t taken = offsets_of(lab, 2).log_end_offset;
    EXPECT("what others had room for is there", taken >= before);
    EXPECT_EQ("and committed", taken, offsets_of(lab, 2).high_watermark);
    lab->nodes[1].disk->full = false;
    lab_run(lab, 5000);
    EXPECT_EQ("with space again, it comes back", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    lab_end(lab);
}

/* Nobody is asked who is not needed any more: what was known of disks then is old. */
TEST(what_was_said_of_full_disks_grows_old)
{
    struct lab *lab = lab_of(3, 1);

    lab->nodes[1].disk->full = true;
    produce(lab, 100);
    lab_run(lab, 1000);
    EXPECT_EQ("another one leads", 2, lab_newest(lab)->configs[0].leader);
    lab->nodes[1].disk->full = false;
    lab_run(lab, 20000);
    EXPECT_EQ("all are in sync", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    lab_fence(lab, 2);
    lab_run(lab, 50);
    EXPECT_EQ("it leads again", 1, lab_newest(lab)->configs[0].leader);
    lab_run(lab, 1000);
    EXPECT_EQ("and stays", 1, lab_newest(lab)->configs[0].leader);
    EXPECT_EQ("with all others", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));

    /* The same of a follower: 1 heard that 3 is full, and then does not hear of it for long. */
    lab->nodes[3].disk->full = true;
    produce(lab, 100);
    lab_run(lab, 1000);
    EXPECT_EQ("the full one is out", lab_bit(1) | lab_bit(2), isr_of(lab));
    lab_fence(lab, 1);
    lab->nodes[3].disk->full = false;
    lab_run(lab, 20000);
    EXPECT_EQ("2 leads, and all are in", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    const uint64_t shrinks = counters_of(lab, 1)->shrinks;
    lab_fence(lab, 2);
    lab_run(lab, 1000);
    EXPECT_EQ("1 leads", 1, lab_newest(lab)->configs[0].leader);
    EXPECT_EQ("and shrinks nothing", (int64_t)shrinks, (int64_t)counters_of(lab, 1)->shrinks);
    lab_end(lab);
}

TEST(full_disks_everywhere_move_nothing)
{
    struct lab *lab = lab_of(2, 1);

    lab->nodes[1].disk->full = lab->nodes[2].disk->full = true;
    produce(lab, 100);
    lab_run(lab, 3000);
    EXPECT_EQ("the leader stays", 1, lab_newest(lab)->configs[0].leader);
    lab->nodes[1].disk->full = lab->nodes[2].disk->full = false;
    lab_run(lab, 5000);
    EXPECT_EQ("and goes on", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 1).high_watermark);
    EXPECT_EQ("with the other one", lab_bit(1) | lab_bit(2), isr_of(lab));
    lab_end(lab);
}

TEST(who_has_it_in_memory_only_is_not_caught_up)
{
    struct lab *lab = lab_of(3, 1);

    lab->nodes[3].disk->stuck = "__journal";
    produce(lab, 5);
    lab_run(lab, 50);
    EXPECT("node 3 has it", offsets_of(lab, 3).log_end_offset == offsets_of(lab, 1).log_end_offset);
    lab_fence(lab, 1); /* the next leader's stream begins where node 3 ends: nothing is to be sent */
    lab_run(lab, 3000);
    EXPECT_EQ("its beats do not keep it in sync", lab_bit(2), isr_of(lab) & (lab_bit(2) | lab_bit(3)));
    EXPECT_EQ("and the rest goes on", offsets_of(lab, 2).log_end_offset, offsets_of(lab, 2).high_watermark);
    lab_end(lab);
}

static void set_relaxed(struct lab *lab, bool relaxed)
{
    struct lab_state *state = lab_begin_state(lab);

    state->configs[0].relaxed = relaxed;
    lab_run(lab, 50);
}

TEST(what_was_promised_in_relaxed_times_does_not_count_later)
{
    struct lab *lab = lab_of(3, 1);

    lab->unjudged = true; /* it judges disks */
    set_relaxed(lab, true);
    lab->nodes[3].disk->stuck = "__journal";
    produce(lab, 5);
    lab_run(lab, 50);
    const int64_t end = offsets_of(lab, 1).log_end_offset;
    EXPECT_EQ("in memory is enough", end, offsets_of(lab, 1).high_watermark);
    set_relaxed(lab, false);
    produce(lab, 5);
    lab_run(lab, 200);
    EXPECT("more came", offsets_of(lab, 1).log_end_offset > end);
    EXPECT_EQ("now a disk is needed", end, offsets_of(lab, 1).high_watermark);
    lab_run(lab, 3000);
    EXPECT_EQ("whose has none leaves", lab_bit(1) | lab_bit(2), isr_of(lab));
    EXPECT_EQ("and the rest goes on", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 1).high_watermark);
    lab_end(lab);
}

TEST(a_sole_replica_that_was_relaxed_keeps_what_it_has_shown)
{
    struct lab *lab = lab_of(1, 1);

    lab->unjudged = true;
    set_relaxed(lab, true);
    lab->nodes[1].disk->stuck = "__journal";
    produce(lab, 5);
    lab_run(lab, 50);
    const int64_t end = offsets_of(lab, 1).log_end_offset;
    EXPECT_EQ("shown before it is durable", end, offsets_of(lab, 1).high_watermark);
    set_relaxed(lab, false);
    produce(lab, 1);
    EXPECT_EQ("it stays shown, and nothing more is", end, offsets_of(lab, 1).high_watermark);
    lab->nodes[1].disk->stuck = NULL;
    lab_run(lab, 200);
    EXPECT_EQ("until the disk has it", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 1).high_watermark);
    lab_end(lab);
}

TEST(who_is_not_reached_holds_the_mark_for_the_lag_and_no_longer)
{
    struct lab *lab = lab_of(3, 1);

    isolate(lab, 3, true);
    produce(lab, 150); /* more than memory has, and than a window */
    EXPECT("nothing is committed yet", offsets_of(lab, 1).high_watermark < offsets_of(lab, 1).log_end_offset);
    lab_run(lab, 1200);
    EXPECT_EQ("it leaves", lab_bit(1) | lab_bit(2), isr_of(lab));
    EXPECT_EQ("the rest goes on", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 1).high_watermark);
    produce(lab, 400);
    isolate(lab, 3, false);
    lab_run(lab, 3000);
    EXPECT("it is sent what is on the disk only", counters_of(lab, 1)->reads > 0);
    EXPECT_EQ("all of it", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 3).high_watermark);
    EXPECT_EQ("and is in sync", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    lab_end(lab);
}

TEST(copies_are_not_faster_than_asked_for)
{
    struct lab *lab = lab_of(2, 1);

    isolate(lab, 2, true);
    lab_run(lab, 1500);
    produce(lab, 800);
    replicas_set_throttle(lab->nodes[1].replicas, 20000);
    isolate(lab, 2, false);
    const uint64_t begin_ns = lab->mono_ns;
    lab_run(lab, 1000);
    const uint64_t read = counters_of(lab, 1)->read_size;
    EXPECT("some was read", read > 0);
    EXPECT("no more than that, and one read", read <= 20000 * (lab->mono_ns - begin_ns) / (1000 * LAB_MS) + 8000);
    replicas_set_throttle(lab->nodes[1].replicas, 0);
    lab_run(lab, 1000);
    EXPECT_EQ("then the rest", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 2).log_end_offset);
    lab_end(lab);
}

/* A replica that is fenced or about to go would be refused; the mark must not wait for it meanwhile (KAFKA-15021). */
TEST(the_mark_waits_for_nobody_who_is_fenced)
{
    struct lab *lab = lab_of(3, 1);
    struct replica_view view;
    bool joined = false;

    lab->unfences = false;
    lab_fence(lab, 3);
    for (uint32_t i = 0; i < 200; i++) {
        lab_produce(lab);
        lab_settle_down(lab);
        EXPECT("he has a place", replicas_view(lab->nodes[1].replicas, 1, 2, &view) && view.node_id == 3);
        joined |= view.joining;
    }
    EXPECT("he follows", view.streaming);
    EXPECT("he does not join", !joined && !view.in_sync);
    EXPECT_EQ("nobody asks for him", 0, lab->refusals);
    lab_unfence(lab, 3);
    lab_run(lab, 200);
    EXPECT_EQ("when he may, he does", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    lab_end(lab);
}

/* Between the decision and the asking, another process of him registers, perhaps with an empty disk (KAFKA-15221). */
TEST(a_wish_names_the_process_that_was_judged)
{
    struct lab *lab = lab_of(2, 1);
    struct replica_wish wish;

    isolate(lab, 2, true);
    lab_run(lab, 1500);
    produce(lab, 5);
    isolate(lab, 2, false);
    lab->keeps_wishes = true;
    lab_run(lab, 200);
    const int64_t judged = lab_newest(lab)->brokers[2].epoch;
    lab_say_broker(lab, 1, 2, &(struct lab_broker){ .epoch = judged + 100 });
    EXPECT("he is wished for", replicas_next_wish(lab->nodes[1].replicas, &wish) && wish.isr_count == 2);
    EXPECT_EQ("as he was", judged, wish.broker_epochs[wish.isr[0] == 2 ? 0 : 1]);
    lab_end(lab);
}

TEST(a_replica_that_comes_back_begins_with_nothing)
{
    struct lab *lab = lab_of(3, 1);

    produce(lab, 20);
    lab_run(lab, 50);
    for (uint32_t round = 0; round < 3; round++) {
        struct lab_config *config = &lab_begin_state(lab)->configs[0];
        config->replica_count = 2;
        config->isr &= ~lab_bit(3);
        config->leader_epoch++;
        config->partition_epoch++;
        if (round == 1) lab_run(lab, 50); /* or it hears of both at once */
        config = &lab_begin_state(lab)->configs[0];
        config->replicas[config->replica_count++] = 3;
        config->partition_epoch++;
        if (round == 2) lab->nodes[3].cut_off = true;
        lab_run(lab, 1500);
        EXPECT("he counts only when he has heard of both", ((isr_of(lab) & lab_bit(3)) != 0) == (round != 2));
        lab->nodes[3].cut_off = false;
        lab_run(lab, 1500);
        EXPECT_EQ("and has all", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 3).high_watermark);
        EXPECT_EQ("and is in sync", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
        lab_crash(lab, 3, true);
        lab_restart(lab, 3, false);
        lab_run(lab, 1500);
    }
    EXPECT_EQ("his disk agrees", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 3).high_watermark);
    lab_end(lab);
}

/* A new leader's high watermark may be below what its predecessor has shown: who holds only that does not hold all that
 * is committed (KAFKA-7128). */
TEST(nobody_joins_without_the_begin_of_the_epoch)
{
    struct lab *lab = lab_of(3, 1);

    produce(lab, 5);
    lab_run(lab, 50);
    const int64_t shown = offsets_of(lab, 2).high_watermark;
    isolate(lab, 3, true);
    lab_run(lab, 1500);
    produce(lab, 1);
    while (offsets_of(lab, 1).high_watermark == shown) lab_settle_down(lab);
    EXPECT_EQ("it is committed, and the other one does not know it", shown, offsets_of(lab, 2).high_watermark);
    isolate(lab, 1, true);
    struct lab_config *config = &lab_begin_state(lab)->configs[0];
    config->leader = 2;
    config->leader_epoch++;
    config->partition_epoch++;
    lab->net.links[2][3].cut = lab->net.links[3][2].cut = false;
    lab->nodes[3].disk_stands = true; /* nothing of what he is sent is durable yet */
    lab_run(lab, 400);
    EXPECT_EQ("he holds what the new leader has shown", shown,
              replicas_held_offset(lab->nodes[2].replicas, lab_log(2, 0), 3));
    EXPECT("but does not join", (isr_of(lab) & lab_bit(3)) == 0);
    lab->nodes[3].disk_stands = false;
    lab_run(lab, 2000);
    EXPECT("before he has all", (isr_of(lab) & lab_bit(3)) != 0);
    isolate(lab, 1, false);
    lab_run(lab, 3000);
    lab_end(lab);
}

TEST(what_a_wiped_process_held_does_not_count)
{
    struct lab *lab = lab_of(3, 1);

    produce(lab, 20);
    lab_run(lab, 50);
    lab_crash(lab, 3, true);
    lab_restart(lab, 3, true);
    lab->nodes[3].disk_stands = true;
    lab_run(lab, 600);
    EXPECT_EQ("it holds nothing now", 0, replicas_held_offset(lab->nodes[1].replicas, lab_log(1, 0), 3));
    EXPECT_EQ("and is not in sync", lab_bit(1) | lab_bit(2), isr_of(lab));
    lab->nodes[3].disk_stands = false;
    lab_run(lab, 2000);
    EXPECT_EQ("until it has all again", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    lab_end(lab);
}

/* While the end of a log is taken back, the replica is taken away: all is to be taken back. Then the process stops. */
TEST(a_replica_that_was_to_begin_anew_does_not_while_its_logs_end)
{
    struct lab *lab = lab_of(3, 1);

    produce(lab, 20);
    lab_run(lab, 50);
    lab->nodes[3].disk_stands = true;
    for (uint32_t round = 0; round < 2; round++) {
        struct lab_config *config = &lab_begin_state(lab)->configs[0];
        config->replica_count = 2;
        config->isr &= ~lab_bit(3);
        config->leader_epoch++;
        config->partition_epoch++;
        lab_run(lab, 50);
        if (round == 1) break;
        config = &lab_begin_state(lab)->configs[0];
        config->replicas[config->replica_count++] = 3;
        config->partition_epoch++;
        lab_run(lab, 50);
    }
    lab_stop(lab, 3);
    lab->nodes[3].disk_stands = false;
    lab_run(lab, 500);
    EXPECT_EQ("it has stopped", LOGS_STOPPED, logs_state(lab->nodes[3].logs));
    lab_end(lab);
}

/* He reads nothing, but his process lives: his link stays, with all that was lent to it. */
TEST(a_link_that_stands_still_holds_up_nobody_else)
{
    struct lab *lab = lab_of(3, 1);

    more_partitions(lab, 3);
    produce(lab, 5);
    lab_run(lab, 50);
    lab->net.links[1][3].stands = true;
    produce(lab, 600);
    lab_run(lab, 1500);
    produce(lab, 60);
    lab_run(lab, 500);
    EXPECT("he was sent some", lab->nodes[1].peers.lent_count > 0);
    for (uint32_t p = 0; p < 3; p++) {
        const struct log_offsets own = log_offsets(lab->nodes[1].logs, lab_log(1, p));
        EXPECT_EQ("the other one has all", own.log_end_offset,
                  log_offsets(lab->nodes[2].logs, lab_log(2, p)).log_end_offset);
        EXPECT_EQ("and it is committed", own.log_end_offset, own.high_watermark);
    }
    const struct logs_usage usage = logs_usage(lab->nodes[1].logs);
    EXPECT("memory is left for appends", usage.tail_used_size < usage.tail_memory_size * 3 / 4);
    lab->net.links[1][3].stands = false;
    lab_run(lab, 3000);
    EXPECT_EQ("nothing is lent for good", 0, lab->nodes[1].peers.lent_count);
    EXPECT_EQ("he has it too, when he reads again", offsets_of(lab, 1).log_end_offset,
              offsets_of(lab, 3).high_watermark);
    EXPECT_EQ("and is in sync", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    lab_end(lab);
}

TEST(who_found_no_stream_gets_one_when_there_is_room)
{
    struct lab *lab = lab_with(2, 1, 1);

    more_partitions(lab, 2);
    produce(lab, 20);
    lab_run(lab, 2500);
    EXPECT("there is one stream, for the first partition", counters_of(lab, 1)->no_room > 0);
    EXPECT_EQ("the other one has left the follower behind", lab_bit(1), lab_newest(lab)->configs[1].isr);
    struct lab_config *config = &lab_begin_state(lab)->configs[0];
    config->leader = 2;
    config->leader_epoch++;
    config->partition_epoch++;
    lab_run(lab, 2500);
    EXPECT_EQ("it has the stream now, in the same leader epoch", 0,
              replicas_leader_epoch(lab->nodes[1].replicas, lab_log(1, 1)));
    EXPECT_EQ("and the follower has all", log_offsets(lab->nodes[1].logs, lab_log(1, 1)).log_end_offset,
              log_offsets(lab->nodes[2].logs, lab_log(2, 1)).high_watermark);
    EXPECT_EQ("and is in sync", lab_bit(1) | lab_bit(2), lab_newest(lab)->configs[1].isr);
    lab_end(lab);
}
