#include "controller/isr_wishes.h"

#include "base/check.h"

void isr_wishes_init(struct isr_wishes *isr_wishes, uint32_t size_max)
{
    const uint32_t part = size_max / ISR_WISH_PART;

    CHECK(part >= ISR_HEAD_SIZE + ISR_PARTITION_SIZE + REPLICAS_MAX * ISR_MEMBER_SIZE);
    isr_wishes->size_max = MIN(part, (uint32_t)ISR_WISH_SIZE);
}

/* ---- wishing ---- */

static void find_free(struct isr_wishes *isr_wishes)
{
    uint32_t number = 0;

    while (number < ISR_BATCHES_MAX && isr_wishes->batches[number].wish != 0) number++;
    isr_wishes->filling = number;
}

bool isr_wishes_have_room(const struct isr_wishes *isr_wishes)
{
    if (isr_wishes->filling == ISR_BATCHES_MAX) return false;
    const struct isr_batch *batch = &isr_wishes->batches[isr_wishes->filling];
    const uint32_t size = ISR_PARTITION_SIZE + REPLICAS_MAX * ISR_MEMBER_SIZE;

    return batch->count < ISR_BATCH_MAX && batch->member_count + REPLICAS_MAX <= ISR_BATCH_MEMBERS &&
           MAX(batch->size, (uint32_t)ISR_HEAD_SIZE) + size <= isr_wishes->size_max;
}

bool isr_wishes_add(struct isr_wishes *isr_wishes, const struct isr_wish *wish)
{
    CHECK(wish->isr_count >= 1 && wish->isr_count <= REPLICAS_MAX);
    if (!isr_wishes_have_room(isr_wishes)) return false;
    struct isr_batch *batch = &isr_wishes->batches[isr_wishes->filling];
    struct wish_isr_record_member *members = &batch->members[batch->member_count];

    if (batch->count == 0) batch->size = ISR_HEAD_SIZE;
    for (uint32_t i = 0; i < wish->isr_count; i++) {
        members[i] = (struct wish_isr_record_member){ wish->isr[i], wish->broker_epochs[i] };
    }
    batch->partitions[batch->count++] = (struct wish_isr_record_partition){
        .topic_id = wish->topic_id,
        .index = wish->index,
        .leader_epoch = wish->leader_epoch,
        .partition_epoch = wish->partition_epoch,
        .recovering = wish->recovering,
        .isr = members,
        .isr_count = wish->isr_count,
    };
    batch->member_count += wish->isr_count;
    batch->size += ISR_PARTITION_SIZE + wish->isr_count * (uint32_t)ISR_MEMBER_SIZE;
    return true;
}

bool isr_wishes_have_some(const struct isr_wishes *isr_wishes)
{
    return isr_wishes->filling != ISR_BATCHES_MAX && isr_wishes->batches[isr_wishes->filling].count > 0;
}

void isr_wishes_ask(struct isr_wishes *isr_wishes, int64_t broker_epoch, struct wishes *wishes)
{
    uint8_t body[ISR_WISH_SIZE];
    struct writer out = writer_of(body, sizeof body);

    if (!isr_wishes_have_some(isr_wishes) || !wishes_have_room(wishes, WISH_ISR)) return;
    struct isr_batch *batch = &isr_wishes->batches[isr_wishes->filling];
    const struct wish_isr_record record = { .broker_epoch = broker_epoch,
                                            .partitions = batch->partitions,
                                            .partitions_count = batch->count };
    wish_isr_record_write(&out, 0, &record);
    CHECK(writer_ok(&out) && out.size <= batch->size);
    batch->wish = wishes_open(wishes, WISH_ISR, 0, writer_written(&out), WISH_NEVER, true);
    find_free(isr_wishes);
}

/* ---- what became of it ---- */

static void read_errors(struct isr_batch *batch, enum wish_verdict verdict, struct bytes answer)
{
    uint64_t memory[ISR_ANSWER_SIZE / sizeof(uint64_t) + 1];
    struct arena arena;
    struct wish_isr_answer_record record;
    struct reader reader = reader_of(answer);

    arena_init(&arena, memory, sizeof memory);
    const bool judged = (verdict == WISH_ANSWERED || verdict == WISH_GRANTED) &&
                        wish_isr_answer_record_read(&reader, 0, &arena, &record) && record.errors_count == batch->count;
    for (uint32_t i = 0; i < batch->count; i++) {
        batch->errors[i] = judged ? record.errors[i] : (int16_t)ERROR_REQUEST_TIMED_OUT;
        /* Granted, and if the partition is as it was: somebody who was to join is another one since. */
        if (batch->errors[i] == ERROR_NONE && !MUTANT(isr_guards_refuse_in_silence)) {
            batch->errors[i] = ERROR_INELIGIBLE_REPLICA;
        }
    }
}

void isr_wishes_on_done(struct isr_wishes *isr_wishes, struct wishes *wishes, uint64_t sequence)
{
    for (uint32_t number = 0; number < ISR_BATCHES_MAX; number++) {
        struct isr_batch *batch = &isr_wishes->batches[number];
        struct bytes answer;
        if (batch->wish != sequence) continue;
        const enum wish_verdict verdict = wishes_outcome(wishes, sequence, &answer);
        read_errors(batch, verdict, answer);
        batch->done = true;
        wishes_forget(wishes, sequence);
    }
}

/* Whether the image has another configuration by now: that tells more than we could. */
static bool has_moved(const struct image *image, const struct wish_isr_record_partition *wished)
{
    const uint32_t topic = image_topic_by_id(image, &wished->topic_id);
    const uint32_t slot = topic == SLOT_NONE ? SLOT_NONE : image_partition_slot(image, topic, wished->index);
    if (slot == SLOT_NONE) return true;
    const struct image_partition *partition = image_partition(image, slot);

    return partition->leader_epoch > wished->leader_epoch || partition->partition_epoch > wished->partition_epoch;
}

static bool tell(struct isr_batch *batch, const struct image *image, struct isr_answer *answer)
{
    while (batch->told < batch->count) {
        const uint32_t number = batch->told++;
        const struct wish_isr_record_partition *wished = &batch->partitions[number];
        if (has_moved(image, wished)) continue;
        *answer = (struct isr_answer){ .topic_id = wished->topic_id,
                                       .index = wished->index,
                                       .leader_epoch = wished->leader_epoch,
                                       .partition_epoch = wished->partition_epoch,
                                       .error = (enum error)batch->errors[number] };
        return true;
    }
    return false;
}

bool isr_wishes_next_answer(struct isr_wishes *isr_wishes, const struct image *image, struct isr_answer *answer)
{
    for (uint32_t number = 0; number < ISR_BATCHES_MAX; number++) {
        struct isr_batch *batch = &isr_wishes->batches[number];
        if (!batch->done) continue;
        if (tell(batch, image, answer)) return true;
        batch->wish = 0;
        batch->done = false;
        batch->count = batch->member_count = batch->size = batch->told = 0;
        const bool none = isr_wishes->filling == ISR_BATCHES_MAX;
        if (none && !MUTANT(isr_batches_run_out)) isr_wishes->filling = number;
    }
    return false;
}

bool isr_wishes_are_due(const struct isr_wishes *isr_wishes, const struct wishes *wishes)
{
    for (uint32_t number = 0; number < ISR_BATCHES_MAX; number++) {
        if (isr_wishes->batches[number].done) return true;
    }
    return isr_wishes_have_some(isr_wishes) && wishes_have_room(wishes, WISH_ISR);
}

void isr_wishes_check(const struct isr_wishes *isr_wishes)
{
    for (uint32_t number = 0; number < ISR_BATCHES_MAX; number++) {
        const struct isr_batch *batch = &isr_wishes->batches[number];
        if (batch->wish == 0) CHECK(batch->count == 0 || number == isr_wishes->filling); /* (1) */
        CHECK(batch->told <= batch->count && (batch->done || batch->told == 0));         /* (2) */
        CHECK(batch->wish != 0 || !batch->done);                                         /* (2) */
        CHECK(batch->size <= isr_wishes->size_max);
    }
}
