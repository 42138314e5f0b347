/* What a metadata log of several members does, told step by step: growing, loss of a leader, snapshots over the wire,
 * power lost in the middle of them, and what others may do to a node.
 *
 * LAB_PRINT=1 prints what the nodes say. With -DCHRONIK_MUTANTS, MUTANT=M67 switches a known bug on. */
#include "cluster_deeds.h"

/* ---- tests ---- */

TEST(one_grows_to_three_and_loses_its_founder)
{
    const struct lab_config config = calm(3);
    struct lab *lab = grown(&config, 3);

    work(lab, 40);
    EXPECT("rests", rest(lab, 1000));
    for (uint32_t i = 0; i < 3; i++) {
        EXPECT_EQ("all are members", STANDING_MEMBER, (int)metadata_log_standing(lab->nodes[i].log));
        EXPECT_EQ("of the same state", (int64_t)image_digest(lab->nodes[0].image),
                  (int64_t)image_digest(lab->nodes[i].image));
    }
    lab_crash(lab, lab_leader(lab), true);
    EXPECT("another leads", rest(lab, 3000));
    work(lab, 20);
    lab_boot(lab, &lab->nodes[0]);
    EXPECT("and the founder follows", rest(lab, 3000));
    EXPECT_EQ("with all that was done without it", (int64_t)image_digest(lab_leader(lab)->image),
              (int64_t)image_digest(lab->nodes[0].image));
    expect_peace(lab);
    lab_free(lab);
}

TEST(a_node_that_waits_to_be_added_does_nothing)
{
    struct lab_config config = calm(2);
    struct lab *lab = lab_new(&config);

    lab_run(lab, 5000 * LAB_MS);
    const struct metadata_log *log = lab->nodes[1].log;
    EXPECT_EQ("open", METADATA_LOG_OPEN, metadata_log_state(log));
    EXPECT_EQ("it waits", STANDING_WAITS, metadata_log_standing(log));
    EXPECT("it knows who it is", metadata_log_identity_is_durable(log));
    EXPECT_EQ("of this node", 2, member_node(metadata_log_member(log)));
    EXPECT_EQ("founds nothing", 0, (int64_t)raft_last_index(log->raft));
    EXPECT_EQ("and needs no time", (int64_t)LAB_NEVER, (int64_t)metadata_log_deadline_ns(log, true));
    const uint64_t member = metadata_log_member(log);
    lab_crash(lab, &lab->nodes[1], true);
    lab_boot(lab, &lab->nodes[1]);
    lab_run(lab, 6000 * LAB_MS);
    EXPECT("it stays who it is", member == metadata_log_member(lab->nodes[1].log));
    lab_crash(lab, &lab->nodes[1], true);
    lab_wipe(lab, &lab->nodes[1]);
    lab_boot(lab, &lab->nodes[1]);
    lab_run(lab, 7000 * LAB_MS);
    EXPECT("with another directory it is somebody else", member != metadata_log_member(lab->nodes[1].log));
    lab_free(lab);
}

/* Who was away while the log was cut gets the state, and goes on from it. */
TEST(who_is_left_behind_gets_the_state)
{
    struct lab_config config = calm(3);
    config.snapshot_entries = 10;
    config.journal_file_size = 16 << 10;
    struct lab *lab = grown(&config, 3);

    work(lab, 30);
    struct lab_node *away = &lab->nodes[2];
    const struct lab_node *leader = lab_leader(lab);
    if (away == leader) away = &lab->nodes[1];
    away->group = 1;
    work(lab, 120);
    const uint64_t before = image_view(away->image).applied_index;
    EXPECT("it is far behind", raft_first_index(lab_leader(lab)->log->raft) > before + 1);
    away->group = 0;
    EXPECT("it comes back", rest(lab, 5000));
    EXPECT("by a snapshot", metadata_log_view(away->log).counters.snapshots_installed > 0);
    EXPECT("of several chunks", metadata_log_view(away->log).counters.chunks_received > 1);
    work(lab, 20);
    EXPECT("and goes on", rest(lab, 5000));
    lab_crash(lab, away, true);
    lab_boot(lab, away);
    EXPECT("also after a crash", rest(lab, 5000));
    expect_peace(lab);
    lab_free(lab);
}

/* An install is cut by a power loss at every one of its orders: the node is what it was, or what it was sent. */
TEST(an_install_is_cut_anywhere)
{
    struct lab_config config = calm(3);
    config.snapshot_entries = 10;
    config.journal_file_size = 16 << 10;

    for (uint32_t orders = 0; orders < 40; orders++) {
        config.seed = orders + 1;
        struct lab *lab = grown(&config, 3);
        work(lab, 20);
        struct lab_node *away = lab_leader(lab) == &lab->nodes[2] ? &lab->nodes[1] : &lab->nodes[2];
        away->group = 1;
        work(lab, 80);
        away->group = 0;
        for (int i = 0; i < 4000 && away->log->install.state == INSTALL_IDLE; i++) {
            lab_run(lab, lab->now_ns + LAB_MS / 4);
        }
        EXPECT("it is being sent the state", away->log->install.state != INSTALL_IDLE);
        lab_run(lab, lab->now_ns + orders * LAB_MS / 8);
        lab_crash(lab, away, true);
        lab_boot(lab, away);
        EXPECT("it comes back", rest(lab, 5000));
        work(lab, 20);
        EXPECT("and goes on", rest(lab, 5000));
        expect_peace(lab);
        lab_free(lab);
    }
}

/* ---- what others may do to a node ---- */

/* A frame from nobody in particular: `from` is what the connection says. */
static bool say(struct lab *lab, struct lab_node *node, uint64_t from, uint64_t to, struct raft_message message,
                const struct raft_entry *entries, struct bytes payload)
{
    const uint32_t room = FRAME_HEAD_SIZE + RAFT_MESSAGE_HEAD_SIZE_MAX + payload.size;
    uint8_t *frame = malloc(room);
    uint32_t size = FRAME_HEAD_SIZE;

    store_u64(frame, to);
    size += raft_message_write(&message, entries, frame + size);
    if (payload.size > 0) memcpy(frame + size, payload.data, payload.size);
    struct lab_message arrives = { .from_member = from, .data = frame, .size = size + payload.size };
    lab_step(lab, node, NULL, &arrives);
    free(frame);
    return lab->violation[0] == 0;
}

static uint64_t stranger(int32_t node_id)
{
    return (uint64_t)node_id << MEMBER_SUFFIX_BITS | 1;
}

TEST(frames_that_are_not_for_us_are_counted_and_dropped)
{
    struct lab_config config = calm(2);
    struct lab *lab = lab_new(&config);
    struct lab_node *node = &lab->nodes[1];
    const struct raft_message vote = { .kind = RAFT_VOTE_REQUEST, .term = 9, .vote_request.round = 1 };

    lab_run(lab, 100 * LAB_MS);
    const uint64_t member = metadata_log_member(node->log);
    say(lab, node, stranger(7), member + 1, vote, NULL, (struct bytes){ 0 });
    EXPECT_EQ("for who we were before", 1, (int64_t)metadata_log_view(node->log).counters.frames_stray);
    EXPECT_EQ("and nothing comes of it", 0, (int64_t)raft_term(node->log->raft));
    say(lab, node, stranger(7), member, vote, NULL, (struct bytes){ 0 });
    EXPECT_EQ("for us", 9, (int64_t)raft_term(node->log->raft));
    uint8_t bytes[64] = { 0 };
    for (uint32_t size = 0; size < sizeof bytes; size++) {
        store_u64(bytes, member);
        EXPECT("no frame", !metadata_log_on_frame(node->log, stranger(7), (struct bytes){ bytes, size }));
    }
    EXPECT_EQ("counted", sizeof bytes, (int64_t)metadata_log_view(node->log).counters.frames_malformed);
    expect_peace(lab);
    lab_free(lab);
}

/* A disk that does not answer, and a member that talks and talks: the round fills, and then nothing more is heard. */
TEST(a_flood_of_votes_meets_a_disk_that_stands_still)
{
    struct lab_config config = calm(2);
    config.journal_file_size = 16 << 10;
    struct lab *lab = lab_new(&config);
    struct lab_node *node = &lab->nodes[1];

    lab_run(lab, 100 * LAB_MS);
    const uint64_t member = metadata_log_member(node->log);
    for (uint64_t term = 1; term < 5000; term++) {
        const struct raft_message vote = { .kind = RAFT_VOTE_REQUEST, .term = term, .vote_request.round = term };
        say(lab, node, stranger(7), member, vote, NULL, (struct bytes){ 0 });
    }
    const uint64_t term = raft_term(node->log->raft);
    EXPECT("some were heard", term > 50);
    EXPECT("and then none", metadata_log_view(node->log).counters.frames_unheard > 1000);
    lab_run(lab, 1000 * LAB_MS);
    EXPECT("all of it is on the disk now", !journal_is_busy(node->log->journal));
    lab_crash(lab, node, true);
    lab_boot(lab, node);
    lab_run(lab, 2000 * LAB_MS);
    EXPECT_EQ("and still there after a power loss", (int64_t)term, (int64_t)raft_term(node->log->raft));
    expect_peace(lab);
    lab_free(lab);
}

/* The same with entries, from a leader that has them. */
TEST(a_flood_of_entries_meets_a_disk_that_stands_still)
{
    enum { COUNT = 16, SIZE = 200 };
    struct lab_config config = calm(2);
    config.journal_file_size = 16 << 10;
    struct lab *lab = lab_new(&config);
    struct lab_node *node = &lab->nodes[1];
    struct raft_entry entries[COUNT];
    uint8_t payload[COUNT * SIZE] = { 0 };

    lab_run(lab, 100 * LAB_MS);
    const uint64_t member = metadata_log_member(node->log);
    for (uint32_t i = 0; i < COUNT; i++) entries[i] = (struct raft_entry){ 3, SIZE, RAFT_ENTRY_DATA };
    for (uint64_t beat = 1; beat < 1000; beat++) {
        const uint64_t last = raft_last_index(node->log->raft);
        struct raft_message append = { .kind = RAFT_APPEND_REQUEST, .term = 3 };
        append.append_request = (struct raft_append_request){
            .prev_index = last, .prev_term = last == 0 ? 0 : 3, .beat = beat, .entry_count = COUNT
        };
        say(lab, node, stranger(7), member, append, entries, (struct bytes){ payload, sizeof payload });
        EXPECT_EQ("the leader is heard all the same", (int64_t)stranger(7), (int64_t)raft_leader(node->log->raft));
    }
    const uint64_t last = raft_last_index(node->log->raft);
    EXPECT("some were taken", last >= COUNT);
    EXPECT("and no more than there is room for", last < 4 * (16 << 10) / SIZE);
    EXPECT("the rest was cut off", metadata_log_view(node->log).counters.appends_cut > 900);
    lab_run(lab, 1000 * LAB_MS);
    EXPECT_EQ("what was taken is durable", (int64_t)last, (int64_t)node->log->raft->storage.stored_index);
    expect_peace(lab);
    lab_free(lab);
}

/* Nothing is ever committed: no snapshot can make room. */
TEST(entries_that_are_never_committed_do_not_break_a_node)
{
    enum { SIZE = 3000 };
    struct lab_config config = calm(2);
    config.journal_file_size = 16 << 10;
    config.snapshot_entries = 20;
    struct lab *lab = lab_new(&config);
    struct lab_node *node = &lab->nodes[1];
    const struct raft_entry entry = { 1, SIZE, RAFT_ENTRY_DATA };
    uint8_t payload[SIZE] = { 0 };

    lab_run(lab, 100 * LAB_MS);
    const uint64_t member = metadata_log_member(node->log);
    for (uint64_t beat = 1; beat < 3000; beat++) {
        struct raft_entry now = entry;
        const uint64_t last = beat % 50 == 0 ? 0 : raft_last_index(node->log->raft);
        const uint64_t term = 1 + beat / 50; /* a new leader, every now and then, with another log */
        now.term = term;
        struct raft_message append = { .kind = RAFT_APPEND_REQUEST, .term = term };
        append.append_request = (struct raft_append_request){
            .prev_index = last, .prev_term = raft_term_at(node->log->raft, last), .beat = beat, .entry_count = 1
        };
        say(lab, node, stranger(7 + (int32_t)(term % 3)), member, append, &now, (struct bytes){ payload, SIZE });
        lab_run(lab, lab->now_ns + LAB_MS);
    }
    EXPECT("it ran full", metadata_log_view(node->log).counters.appends_cut > 100);
    EXPECT("and is still there", metadata_log_state(node->log) == METADATA_LOG_OPEN);
    expect_peace(lab);
    lab_free(lab);
}

/* Elections that nothing comes of, for hours: the journal fills with terms, and nothing is committed that a snapshot
 * could hold. The last snapshot is written again, and what lies behind it. */
TEST(terms_without_end_do_not_use_up_the_journal)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct lab_config config = calm(3);
        config.seed = seed;
        config.snapshot_entries = 20;
        config.journal_file_size = 16 << 10;
        struct lab *lab = grown(&config, 3);
        work(lab, 30 + (uint32_t)seed * 5);
        struct lab_node *leader = lab_leader(lab);
        struct lab_node *node = leader == &lab->nodes[2] ? &lab->nodes[1] : &lab->nodes[2];
        const uint64_t from = metadata_log_member(leader->log);
        node->group = 1;
        const uint64_t first = raft_term(node->log->raft);
        for (uint64_t term = first + 1; term < first + 1500; term++) {
            const struct raft_message vote = { .kind = RAFT_VOTE_REQUEST,
                                               .term = term,
                                               .vote_request = { .round = term, .transfer = true } };
            say(lab, node, from, metadata_log_member(node->log), vote, NULL, (struct bytes){ 0 });
            lab_run(lab, lab->now_ns + 2 * LAB_MS);
            if (prng_chance(&lab->prng, 1, 100)) {
                lab_crash(lab, node, true);
                lab_boot(lab, node);
                lab_run(lab, lab->now_ns + 20 * LAB_MS);
            }
        }
        EXPECT("every term was heard", raft_term(node->log->raft) + 100 > first + 1500);
        const struct metadata_log_view view = metadata_log_view(node->log);
        EXPECT("and there is journal left", view.journal_used < view.journal_max / 2 + (64 << 10));
        node->group = 0;
        EXPECT("rests", rest(lab, 5000));
        work(lab, 20);
        EXPECT("and goes on", rest(lab, 5000));
        expect_peace(lab);
        lab_free(lab);
    }
}

TEST(a_snapshot_beyond_our_limits_is_not_taken)
{
    struct lab_config config = calm(2);
    struct lab *lab = lab_new(&config);
    struct lab_node *node = &lab->nodes[1];
    uint8_t payload[100] = { 0 };

    lab_run(lab, 100 * LAB_MS);
    struct raft_message chunk = { .kind = RAFT_SNAPSHOT_REQUEST, .term = 4 };
    chunk.snapshot_request = (struct raft_snapshot_request){
        .index = 50, .term = 4, .total_size = (uint64_t)1 << 40, .beat = 1, .size = sizeof payload
    };
    for (int i = 0; i < 3; i++) {
        say(lab, node, stranger(7), metadata_log_member(node->log), chunk, NULL,
            (struct bytes){ payload, sizeof payload });
    }
    EXPECT_EQ("not a byte", 0, (int64_t)metadata_log_view(node->log).counters.chunks_received);
    EXPECT_EQ("each time", 3, (int64_t)metadata_log_view(node->log).counters.frames_unheard);
    chunk.snapshot_request.total_size = sizeof payload;
    say(lab, node, stranger(7), metadata_log_member(node->log), chunk, NULL, (struct bytes){ payload, sizeof payload });
    EXPECT_EQ("what is no snapshot is refused", 1, (int64_t)metadata_log_view(node->log).counters.snapshots_refused);
    EXPECT_EQ("and can come again", INSTALL_IDLE, (int)node->log->install.state);
    expect_peace(lab);
    lab_free(lab);
}

/* The log begins behind a snapshot that is not there any more: the node stops rather than begin in the middle. */
TEST(a_log_without_its_snapshot_is_no_log)
{
    struct lab_config config = calm(3);
    config.snapshot_entries = 10;
    config.journal_file_size = 16 << 10;
    struct lab *lab = grown(&config, 3);

    work(lab, 200);
    EXPECT("rests", rest(lab, 3000));
    struct lab_node *node = lab_leader(lab) == &lab->nodes[2] ? &lab->nodes[1] : &lab->nodes[2];
    lab_crash(lab, node, true);
    for (uint32_t i = node->disk->name_count; i-- > 0;) {
        const char *path = node->disk->names[i].path;
        if (strncmp(path, META_DIRECTORY "/snapshot-", 20) != 0) continue;
        disk_set(node->disk->names, &node->disk->name_count, path, 0);
    }
    lab_boot(lab, node);
    lab_run(lab, lab->now_ns + 1000 * LAB_MS);
    EXPECT("it stopped", !node->up);
    EXPECT("as corrupt", strstr(lab->violation, "halts for reason 3") != NULL);
    lab_free(lab);
}

/* A leader of a thousand: a heartbeat is some ten steps, and a few bytes for each. */
TEST(a_thousand_members_are_told_in_a_few_steps)
{
    enum { MEMBERS = 1000 };
    struct lab_config config = calm(1);
    config.members_max = MEMBERS + 1;
    config.journal_file_size = 1 << 20;
    struct lab *lab = lab_new(&config);
    struct lab_node *node = &lab->nodes[0];

    EXPECT("a founder leads", rest(lab, 1000));
    for (int32_t id = 2; id <= MEMBERS;) {
        struct raft_change changes[RAFT_CHANGES_MAX];
        uint32_t count = 0;
        for (; count < RAFT_CHANGES_MAX && id <= MEMBERS; id++) {
            changes[count++] = (struct raft_change){ RAFT_ADD, stranger(id), BYTES_LITERAL("host.example.org:9093") };
        }
        EXPECT_EQ("added", RAFT_ACCEPTED, (int)metadata_log_change(node->log, changes, count));
        lab_after(lab, node);
        lab_run(lab, lab->now_ns + 50 * LAB_MS);
    }
    EXPECT_EQ("all are members", MEMBERS, (int64_t)metadata_log_view(node->log).members);
    EXPECT("rests", rest(lab, 5000));
    const uint64_t steps = lab->stats.steps, messages = lab->stats.messages, begin_ns = lab->now_ns;
    const uint64_t lost = metadata_log_view(node->log).counters.frames_lost;
    lab_run(lab, begin_ns + 10 * HEARTBEAT_NS);
    EXPECT("each of them, ten times", lab->stats.messages - messages >= 9 * (MEMBERS - 1));
    EXPECT("in a few steps", lab->stats.steps - steps <= 11 * ((MEMBERS - 1) / (4 * RAFT_MESSAGES_MAX) + 2));
    EXPECT_EQ("and none was lost on our side", (int64_t)lost,
              (int64_t)metadata_log_view(node->log).counters.frames_lost);
    expect_peace(lab);
    lab_free(lab);
}
