#include "replica/frames.h"

#include "base/check.h"

/* ---- writing ---- */

void open_write(uint8_t *to, const struct open_frame *open)
{
    memcpy(to, open->topic_id.bytes, sizeof open->topic_id.bytes);
    store_u32(to + 16, (uint32_t)open->partition);
    store_u32(to + 20, (uint32_t)open->leader_epoch);
    store_u64(to + 24, (uint64_t)open->leader_broker_epoch);
    store_u64(to + 32, (uint64_t)open->follower_broker_epoch);
    store_u64(to + 40, open->session);
    store_u32(to + 48, open->leader_number);
    to[52] = (uint8_t)open->step;
    to[53] = open->relaxed;
    store_u16(to + 54, 0);
    store_u32(to + 56, (uint32_t)open->bound_epoch);
    store_u64(to + 60, (uint64_t)open->bound_offset);
}

void open_answer_write(uint8_t *to, const struct open_answer_frame *answer)
{
    store_u32(to, answer->leader_number);
    store_u32(to + 4, (uint32_t)answer->leader_epoch);
    store_u64(to + 8, answer->session);
    store_u64(to + 16, (uint64_t)answer->broker_epoch);
    store_u32(to + 24, answer->follower_number);
    store_u32(to + 28, (uint32_t)answer->last_epoch);
    store_u64(to + 32, (uint64_t)answer->log_start_offset);
    store_u64(to + 40, (uint64_t)answer->log_end_offset);
}

void data_write_head(uint8_t *to, const struct data_frame *data)
{
    store_u32(to, data->follower_number);
    store_u32(to + 4, (uint32_t)data->leader_epoch);
    store_u64(to + 8, data->session);
    store_u64(to + 16, (uint64_t)data->from);
    store_u64(to + 24, (uint64_t)data->to);
    store_u32(to + 32, (uint32_t)data->previous_epoch);
    store_u32(to + 36, 0);
    store_u64(to + 40, (uint64_t)data->high_watermark);
    store_u64(to + 48, (uint64_t)data->log_start_offset);
}

void ack_write_head(uint8_t *to, int64_t broker_epoch, uint32_t count)
{
    store_u64(to, (uint64_t)broker_epoch);
    store_u32(to + 8, count);
    store_u32(to + 12, 0);
}

void ack_write_entry(uint8_t *to, const struct ack_entry *entry)
{
    store_u32(to, entry->leader_number);
    store_u32(to + 4, (uint32_t)entry->leader_epoch);
    store_u64(to + 8, entry->session);
    store_u64(to + 16, (uint64_t)entry->held_offset);
    store_u64(to + 24, (uint64_t)entry->log_start_offset);
}

void nack_write(uint8_t *to, const struct nack_frame *nack)
{
    store_u32(to, nack->leader_number);
    store_u32(to + 4, (uint32_t)nack->leader_epoch);
    store_u64(to + 8, nack->session);
    store_u64(to + 16, (uint64_t)nack->broker_epoch);
    to[24] = (uint8_t)nack->reason;
    memset(to + 25, 0, 3);
    store_u32(to + 28, (uint32_t)nack->known_epoch);
    store_u64(to + 32, (uint64_t)nack->log_end_offset);
}

void beat_write(uint8_t *to, const struct beat_frame *beat)
{
    store_u64(to, beat->sent_ns);
    store_u64(to + 8, (uint64_t)beat->broker_epoch);
}

void beat_answer_write(uint8_t *to, const struct beat_answer_frame *answer)
{
    store_u64(to, answer->sent_ns);
    store_u64(to + 8, (uint64_t)answer->broker_epoch);
    to[16] = answer->disk_full;
    memset(to + 17, 0, 7);
}

/* ---- reading ---- */

bool open_read(struct bytes bytes, struct open_frame *open)
{
    const uint8_t *from = bytes.data;
    if (bytes.size != OPEN_SIZE) return false;

    *open = (struct open_frame){
        .partition = load_i32(from + 16),
        .leader_epoch = load_i32(from + 20),
        .leader_broker_epoch = load_i64(from + 24),
        .follower_broker_epoch = load_i64(from + 32),
        .session = load_u64(from + 40),
        .leader_number = load_u32(from + 48),
        .relaxed = from[53] == 1,
        .bound_epoch = load_i32(from + 56),
        .bound_offset = load_i64(from + 60),
    };
    memcpy(open->topic_id.bytes, from, sizeof open->topic_id.bytes);
    if (from[52] > OPEN_RESET || from[53] > 1 || load_u16(from + 54) != 0) return false;
    open->step = (enum open_step)from[52];
    if (open->partition < 0 || open->leader_epoch < 0 || open->session == 0) return false;
    if (open->leader_broker_epoch < 0 || open->follower_broker_epoch < 0) return false;
    switch (open->step) {
    case OPEN_ASK: return open->bound_epoch == -1 && open->bound_offset == -1;
    case OPEN_COMPARE:
        return open->bound_epoch >= 0 && open->bound_epoch <= open->leader_epoch && open->bound_offset >= 0;
    case OPEN_RESET: return open->bound_epoch == -1 && open->bound_offset >= 0;
    }
    return false;
}

bool open_answer_read(struct bytes bytes, struct open_answer_frame *answer)
{
    const uint8_t *from = bytes.data;
    if (bytes.size != OPEN_ANSWER_SIZE) return false;

    *answer = (struct open_answer_frame){
        .leader_number = load_u32(from),
        .leader_epoch = load_i32(from + 4),
        .session = load_u64(from + 8),
        .broker_epoch = load_i64(from + 16),
        .follower_number = load_u32(from + 24),
        .last_epoch = load_i32(from + 28),
        .log_start_offset = load_i64(from + 32),
        .log_end_offset = load_i64(from + 40),
    };
    return answer->last_epoch >= -1 && answer->log_start_offset >= 0 &&
           answer->log_start_offset <= answer->log_end_offset;
}

bool data_read(struct bytes bytes, struct data_frame *data)
{
    const uint8_t *from = bytes.data;
    if (bytes.size < DATA_HEAD_SIZE) return false;

    *data = (struct data_frame){
        .follower_number = load_u32(from),
        .leader_epoch = load_i32(from + 4),
        .session = load_u64(from + 8),
        .from = load_i64(from + 16),
        .to = load_i64(from + 24),
        .previous_epoch = load_i32(from + 32),
        .high_watermark = load_i64(from + 40),
        .log_start_offset = load_i64(from + 48),
        .batches = { from + DATA_HEAD_SIZE, bytes.size - DATA_HEAD_SIZE },
    };
    if (load_u32(from + 36) != 0 || data->leader_epoch < 0 || data->previous_epoch < -1) return false;
    if (data->from < 0 || data->to < data->from || data->high_watermark < 0 || data->log_start_offset < 0) return false;
    return (data->from == data->to) == (data->batches.size == 0);
}

bool ack_read(struct bytes bytes, struct ack_frame *ack)
{
    if (bytes.size < ACK_HEAD_SIZE) return false;
    *ack = (struct ack_frame){
        .broker_epoch = load_i64(bytes.data),
        .count = load_u32(bytes.data + 8),
        .entries = { bytes.data + ACK_HEAD_SIZE, bytes.size - ACK_HEAD_SIZE },
    };
    return ack->count >= 1 && ack->count <= ACK_ENTRIES_MAX && load_u32(bytes.data + 12) == 0 &&
           ack->entries.size == ack->count * ACK_ENTRY_SIZE;
}

bool ack_read_entry(const struct ack_frame *ack, uint32_t number, struct ack_entry *entry)
{
    CHECK(number < ack->count);
    const uint8_t *from = ack->entries.data + (size_t)number * ACK_ENTRY_SIZE;

    *entry = (struct ack_entry){ load_u32(from), load_i32(from + 4), load_u64(from + 8), load_i64(from + 16),
                                 load_i64(from + 24) };
    return entry->log_start_offset >= 0 && entry->log_start_offset <= entry->held_offset;
}

bool nack_read(struct bytes bytes, struct nack_frame *nack)
{
    const uint8_t *from = bytes.data;
    if (bytes.size != NACK_SIZE) return false;

    *nack = (struct nack_frame){
        .leader_number = load_u32(from),
        .leader_epoch = load_i32(from + 4),
        .session = load_u64(from + 8),
        .broker_epoch = load_i64(from + 16),
        .known_epoch = load_i32(from + 28),
        .log_end_offset = load_i64(from + 32),
    };
    if (from[24] >= NACK_REASON_COUNT || from[25] != 0 || load_u16(from + 26) != 0) return false;
    nack->reason = (enum nack_reason)from[24];
    return nack->known_epoch >= -1 && nack->log_end_offset >= 0;
}

bool beat_read(struct bytes bytes, struct beat_frame *beat)
{
    if (bytes.size != BEAT_SIZE) return false;
    *beat = (struct beat_frame){ load_u64(bytes.data), load_i64(bytes.data + 8) };
    return true;
}

bool beat_answer_read(struct bytes bytes, struct beat_answer_frame *answer)
{
    if (bytes.size != BEAT_ANSWER_SIZE) return false;
    *answer = (struct beat_answer_frame){ load_u64(bytes.data), load_i64(bytes.data + 8), bytes.data[16] == 1 };
    return bytes.data[16] <= 1 && bytes.data[17] == 0 && load_u16(bytes.data + 18) == 0 &&
           load_u32(bytes.data + 20) == 0;
}
