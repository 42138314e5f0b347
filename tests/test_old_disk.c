/* A node whose disk was replaced by an older copy of it: the same member, that lacks what it acknowledged. */
#include "cluster_deeds.h"

static uint8_t *copied(const uint8_t *bytes, uint64_t size, uint64_t room)
{
    uint8_t *copy = room == 0 ? NULL : malloc(room);

    if (size > 0) memcpy(copy, bytes, size);
    return copy;
}

/* Of a disk that has lost power: what it has is durable. */
static void disk_copy(const struct disk *from, struct disk *to)
{
    CHECK(from->order_count == 0);
    *to = *from;
    for (uint32_t i = 0; i < DISK_FILES_MAX; i++) {
        const struct disk_inode *inode = &from->inodes[i];
        CHECK(inode->write_count == 0);
        to->inodes[i].now = copied(inode->now, inode->now_size, inode->now_room);
        to->inodes[i].durable = copied(inode->durable, inode->durable_size, inode->durable_room);
        to->inodes[i].writes = NULL;
        to->inodes[i].write_room = 0;
    }
}

/* Somebody who follows, down, and a copy of its disk as it was before: what was done since it has acknowledged. */
static struct lab_node *one_with_old_disk(struct lab *lab, uint32_t entries, struct disk *old)
{
    struct lab_node *node = lab_leader(lab) == &lab->nodes[2] ? &lab->nodes[1] : &lab->nodes[2];

    lab_crash(lab, node, true);
    disk_copy(node->disk, old);
    lab_boot(lab, node);
    work(lab, entries);
    EXPECT("it follows", rest(lab, 3000));
    lab_crash(lab, node, true);
    return node;
}

static void put_back(struct lab *lab, struct lab_node *node, const struct disk *old)
{
    disk_free(node->disk);
    *node->disk = *old;
    node->old_disk = true;
    node->judged_index = 0;
    lab_boot(lab, node);
}

static const struct old_row {
    const char *why;
    uint32_t snapshot_entries, entries;
} old_rows[] = {
    { "its log is shorter", 1000, 20 },
    { "its log ends before the leader's begins", 10, 120 },
};

TEST(who_comes_back_with_an_older_disk_goes_for_good)
{
    FOR_EACH(old_row, row, old_rows) {
        static struct disk old;
        struct lab_config config = calm(3);
        config.snapshot_entries = row->snapshot_entries;
        struct lab *lab = grown(&config, 3);
        work(lab, 10);
        EXPECT("rests", rest(lab, 3000));

        struct lab_node *node = one_with_old_disk(lab, row->entries, &old);
        const uint64_t member = node->member;
        put_back(lab, node, &old);
        lab_run(lab, lab->now_ns + 1000 * LAB_MS);
        EXPECT(row->why, !node->up && node->forgot == 1);
        EXPECT_EQ("the leader has counted it", 1,
                  (int64_t)metadata_log_view(lab_leader(lab)->log).counters.members_forgot);
        EXPECT("the others go on", rest(lab, 3000));

        /* Another leader, who was told nothing, must not take it in. */
        lab_crash(lab, lab_leader(lab), true);
        lab_boot(lab, node);
        lab_run(lab, lab->now_ns + 3000 * LAB_MS);
        EXPECT("it knows by itself", !node->up && node->forgot == 2);
        for (uint32_t i = 0; i < 3; i++) {
            if (!lab->nodes[i].up && &lab->nodes[i] != node) lab_boot(lab, &lab->nodes[i]);
        }
        EXPECT("they are two of three", rest(lab, 3000));

        lab_wipe(lab, node);
        node->old_disk = false;
        lab_boot(lab, node);
        lab_run(lab, lab->now_ns + 100 * LAB_MS);
        EXPECT("with an empty disk it is another one", metadata_log_member(node->log) != member);
        const struct raft_change gone = { .kind = RAFT_REMOVE, .id = member };
        EXPECT_EQ("the one that it was goes", (int)RAFT_ACCEPTED,
                  (int)metadata_log_change(lab_leader(lab)->log, &gone, 1));
        lab_after(lab, lab_leader(lab));
        EXPECT("gone", rest(lab, 3000));
        change_surely(lab, RAFT_ADD, node);
        EXPECT("and it is added", rest(lab, 5000));
        work(lab, 10);
        EXPECT("and follows", rest(lab, 5000));
        expect_peace(lab);
        lab_free(lab);
    }
}

/* A copy of what it has now is as good as what it has. */
TEST(who_lacks_nothing_goes_on)
{
    static struct disk old;
    const struct lab_config config = calm(3);
    struct lab *lab = grown(&config, 3);

    struct lab_node *node = one_with_old_disk(lab, 0, &old);
    put_back(lab, node, &old);
    EXPECT("it follows", rest(lab, 3000));
    work(lab, 10);
    EXPECT("and goes on", rest(lab, 3000));
    EXPECT_EQ("it did not stop", 0, (int)node->forgot);
    expect_peace(lab);
    lab_free(lab);
}
