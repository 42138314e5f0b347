/* What leaders wish of their ISRs, gathered and told. */
#include "controller/isr_wishes.h"
#include "meta/records.h"
#include "t.h"
#include <stdlib.h>

enum { SIZE_MAX_USUAL = 1 << 20 };

static const struct uuid topic_id = { { 7 } };

struct lab {
    struct isr_wishes *isr_wishes;
    struct wishes *wishes;
    struct image *image;
};

static void *zeroed(size_t size)
{
    const size_t rounded = (size + 63) / 64 * 64;

    return memset(aligned_alloc(64, rounded), 0, rounded);
}

static struct lab lab_new(uint32_t size_max)
{
    static const struct uuid incarnation = { { 1 } };
    static const struct image_config config = { .topics_max = 2, .partitions_max = 4, .brokers_max = 4 };
    struct lab lab = { zeroed(sizeof(struct isr_wishes)), zeroed(sizeof(struct wishes)), zeroed(image_size(&config)) };

    isr_wishes_init(lab.isr_wishes, size_max);
    wishes_init(lab.wishes, zeroed(wishes_memory_size(size_max)), size_max, 1, &incarnation);
    image_init(lab.image, &config);
    return lab;
}

static void lab_free(struct lab *lab)
{
    isr_wishes_check(lab->isr_wishes);
    wishes_check(lab->wishes);
    free(lab->wishes->memory);
    free(lab->wishes);
    free(lab->isr_wishes);
    free(lab->image);
}

static struct isr_wish wish_of(int32_t index, uint8_t members)
{
    struct isr_wish wish = { .topic_id = topic_id, .index = index, .leader_epoch = 2, .partition_epoch = 5 };

    wish.isr_count = members;
    for (uint8_t i = 0; i < members; i++) {
        wish.isr[i] = i + 1;
        wish.broker_epochs[i] = 100 + i;
    }
    return wish;
}

/* What a leader makes of it: one number for each partition. */
static void answer_all(struct lab *lab, uint64_t sequence, enum wish_verdict verdict, uint32_t count, int16_t error)
{
    uint8_t memory[ISR_ANSWER_SIZE];
    int16_t errors[ISR_BATCH_MAX];
    struct writer out = writer_of(memory, sizeof memory);

    for (uint32_t i = 0; i < count; i++) errors[i] = error;
    wish_isr_answer_record_write(&out, 0, &(struct wish_isr_answer_record){ errors, count });
    wishes_on_answer(lab->wishes, 1,
                     &(struct wish_answer){ .incarnation = lab->wishes->incarnation,
                                            .sequence = sequence,
                                            .term = 1,
                                            .attempt = 1,
                                            .verdict = verdict,
                                            .answer = writer_written(&out) });
    EXPECT_EQ("it is done", (int64_t)sequence, (int64_t)wishes_next_done(lab->wishes));
    isr_wishes_on_done(lab->isr_wishes, lab->wishes, sequence);
}

/* Adds what finds room, from `index` on; how many. */
static int32_t add_all(struct lab *lab, int32_t index, int32_t count, uint8_t members)
{
    int32_t added = 0;

    while (added < count && isr_wishes_have_room(lab->isr_wishes)) {
        const struct isr_wish wish = wish_of(index + added, members);
        EXPECT("there is room", isr_wishes_add(lab->isr_wishes, &wish));
        added++;
    }
    const struct isr_wish more = wish_of(index + added, members);
    if (added < count) EXPECT("and then there is none", !isr_wishes_add(lab->isr_wishes, &more));
    return added;
}

/* A broker is back, and 10,000 partitions want it in their ISRs: few wishes are enough, and none is lost. The image
 * holds none of them, so nothing is told. */
static const struct gather_row {
    const char *why;
    uint32_t size_max;
    uint8_t members;
    uint32_t wishes_most;
} gather_rows[] = {
    { "three replicas", SIZE_MAX_USUAL, 3, 40 },
    { "as many replicas as there may be", SIZE_MAX_USUAL, 16, 160 },
    { "a small journal", 4096, 3, 900 },
};

TEST(many_go_together)
{
    FOR_EACH(gather_row, row, gather_rows) {
        struct lab lab = lab_new(row->size_max);
        struct isr_answer answer;
        struct wish wish;
        uint32_t asked = 0;
        int32_t added = 0;
        wishes_on_leader(lab.wishes, 1, 1, 1);
        while (added < 10000) {
            added += add_all(&lab, added, 10000 - added, row->members);
            isr_wishes_ask(lab.isr_wishes, 33, lab.wishes);
            while (wishes_next(lab.wishes, 1, &wish)) {
                asked++;
                EXPECT("it leaves room for what comes of it", wish.body.size <= row->size_max / ISR_WISH_PART);
                answer_all(&lab, wish.sequence, WISH_ANSWERED, 0, 0);
            }
            while (isr_wishes_next_answer(lab.isr_wishes, lab.image, &answer)) {
            }
            isr_wishes_check(lab.isr_wishes);
        }
        EXPECT(row->why, asked <= row->wishes_most);
        EXPECT("nothing is left", !isr_wishes_are_due(lab.isr_wishes, lab.wishes));
        lab_free(&lab);
    }
}

/* No leader: as many as there are places for, and the rest has to wait where it is. */
TEST(what_finds_no_room_waits)
{
    struct lab lab = lab_new(SIZE_MAX_USUAL);
    int32_t added = 0;

    for (int round = 0; round < 10; round++) {
        added += add_all(&lab, added, 10000, 2);
        isr_wishes_ask(lab.isr_wishes, 33, lab.wishes);
    }
    EXPECT_EQ("four batches", ISR_BATCHES_MAX * ISR_BATCH_MAX, added);
    EXPECT("nothing could be done", !isr_wishes_are_due(lab.isr_wishes, lab.wishes));
    lab_free(&lab);
}

/* ---- what is told ---- */

static void put(struct image *image, uint64_t index, const struct proposal *records)
{
    struct bytes rest = proposal_bytes(records), record;
    struct image_change change;

    while (proposal_next(&rest, &record)) EXPECT_EQ("a record", APPLY_DONE, image_apply(image, index, record, &change));
    image_advance(image, index, 1);
}

/* A partition of two replicas that is led by 1, at partition epoch 5. */
static void make_partition(struct image *image, int32_t partition_epoch)
{
    uint8_t memory[1024];
    int32_t replicas[2] = { 1, 2 };
    struct proposal records = proposal_in(memory, sizeof memory);
    struct metadata_partition_record partition = metadata_partition_record_default;

    for (int32_t id = 1; id <= 2; id++) {
        struct metadata_broker_record broker = metadata_broker_record_default;
        broker.broker_id = id;
        broker.epoch = -1;
        broker.incarnation.bytes[0] = (uint8_t)id;
        proposal_add_broker(&records, &broker);
    }
    proposal_add_topic(&records, &(struct metadata_topic_record){ BYTES_LITERAL("t"), topic_id, false, 2 });
    partition.topic_id = topic_id;
    partition.replicas = replicas;
    partition.replicas_count = 2;
    partition.leader = 1;
    partition.leader_epoch = 2;
    partition.partition_epoch = partition_epoch;
    proposal_add_partition(&records, &partition);
    put(image, 1, &records);
}

static const struct told_row {
    const char *why;
    int32_t index;
    int32_t partition_epoch; /* of the image; the wish was based on 5 */
    enum wish_verdict verdict;
    uint32_t answered; /* partitions in the answer */
    int16_t error;
    int told; /* 0: nothing */
} told_rows[] = {
    { "refused", 0, 5, WISH_ANSWERED, 1, ERROR_INVALID_REQUEST, ERROR_INVALID_REQUEST },
    { "refused, and by now it is another one", 0, 6, WISH_ANSWERED, 1, ERROR_INVALID_UPDATE_VERSION, 0 },
    { "there is no such partition any more", 1, 5, WISH_ANSWERED, 1, ERROR_UNKNOWN_TOPIC_OR_PARTITION, 0 },
    { "granted: the image shows it", 0, 6, WISH_ANSWERED, 1, ERROR_NONE, 0 },
    { "granted, but its guard found a member in another life", 0, 5, WISH_ANSWERED, 1, ERROR_NONE,
      ERROR_INELIGIBLE_REPLICA },
    { "a leader of another version", 0, 5, WISH_MALFORMED, 0, 0, ERROR_REQUEST_TIMED_OUT },
    { "an answer to something else", 0, 5, WISH_ANSWERED, 2, ERROR_INVALID_REQUEST, ERROR_REQUEST_TIMED_OUT },
};

TEST(what_came_to_nothing_is_told)
{
    FOR_EACH(told_row, row, told_rows) {
        struct lab lab = lab_new(SIZE_MAX_USUAL);
        const struct isr_wish asked = wish_of(row->index, 1);
        struct isr_answer answer = { .error = ERROR_NONE };
        struct wish wish;
        make_partition(lab.image, row->partition_epoch);
        wishes_on_leader(lab.wishes, 1, 1, 1);
        EXPECT("room", isr_wishes_add(lab.isr_wishes, &asked));
        EXPECT("to be asked", isr_wishes_are_due(lab.isr_wishes, lab.wishes));
        isr_wishes_ask(lab.isr_wishes, 1, lab.wishes);
        EXPECT("asked", wishes_next(lab.wishes, 1, &wish) && !isr_wishes_are_due(lab.isr_wishes, lab.wishes));
        EXPECT("nothing is told before it is done", !isr_wishes_next_answer(lab.isr_wishes, lab.image, &answer));
        answer_all(&lab, wish.sequence, row->verdict, row->answered, row->error);
        EXPECT("to be told", isr_wishes_are_due(lab.isr_wishes, lab.wishes));
        EXPECT(row->why, isr_wishes_next_answer(lab.isr_wishes, lab.image, &answer) == (row->told != 0));
        EXPECT_EQ(row->why, row->told, answer.error);
        if (row->told != 0) {
            EXPECT("with its epochs", answer.leader_epoch == 2 && answer.partition_epoch == 5);
            EXPECT("once", !isr_wishes_next_answer(lab.isr_wishes, lab.image, &answer));
        }
        lab_free(&lab);
    }
}
