/* answers.c -- what a link gets: its answers in the order of its requests, their memory, and the sending. */
#include "broker/state.h"
#include "codec/api.h"

enum { ALIGNMENT = 8 };

static uint64_t align(uint64_t at)
{
    return (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

struct answer *answer_at(struct broker *broker, uint32_t number)
{
    CHECK(pool_is_taken(&broker->answer_pool, number));
    return &broker->answers[number];
}

/* ---- memory: blocks that several small answers of one link share; the open one takes what comes next ---- */

static uint32_t *block_users(struct broker *broker, uint64_t block)
{
    return &broker->answer_users[block / ANSWER_BLOCK_MIN];
}

static void block_give(struct broker *broker, struct link *link, uint64_t block)
{
    CHECK(*block_users(broker, block) == 0);
    if (link->answer_block == block) link->answer_block = BUDDY_NONE;
    buddy_give(&broker->answer_blocks, block);
    broker->answers_freed = true;
}

static void block_leave(struct broker *broker, struct link *link, uint64_t block)
{
    uint32_t *users = block_users(broker, block);

    CHECK(*users > 0);
    *users -= 1;
    if (*users == 0) block_give(broker, link, block);
}

/* Sees to it that the open block has room for `size` aligned bytes. */
static bool block_open(struct broker *broker, struct link *link, uint64_t size)
{
    const uint64_t wanted = size + 2 * ALIGNMENT;

    if (link->answer_block != BUDDY_NONE && wanted <= link->answer_block_size - link->answer_block_used) return true;
    const uint64_t block = buddy_take(&broker->answer_blocks, MAX(wanted, (uint64_t)ANSWER_BLOCK_MIN));
    if (block == BUDDY_NONE) return false;
    if (link->answer_block != BUDDY_NONE && *block_users(broker, link->answer_block) == 0) {
        block_give(broker, link, link->answer_block);
    }
    CHECK(*block_users(broker, block) == 0);
    link->answer_block = block;
    link->answer_block_used = 0;
    link->answer_block_size = buddy_block_size(&broker->answer_blocks, block);
    return true;
}

/* The next `size` bytes of the open block, which has them; with one more user. */
static uint64_t block_take(struct broker *broker, struct link *link, uint64_t size, bool aligned)
{
    const uint64_t begin = link->answer_block + link->answer_block_used;
    const uint64_t at = aligned ? align(begin) : begin;

    CHECK(at + size <= link->answer_block + link->answer_block_size);
    link->answer_block_used = (uint32_t)(at + size - link->answer_block);
    *block_users(broker, link->answer_block) += 1;
    return at;
}

bool answers_never_fit(const struct broker *broker, uint64_t size)
{
    return size + 2 * ALIGNMENT > broker->answer_blocks.config.block_max;
}

bool answers_reserve(struct broker *broker, struct link *link, uint32_t size)
{
    return broker->answer_pool.taken_count < broker->answer_pool.slots_max && block_open(broker, link, size);
}

void answers_settle(struct broker *broker, struct link *link)
{
    if (link->answer_block == BUDDY_NONE || *block_users(broker, link->answer_block) > 0) return;
    block_give(broker, link, link->answer_block);
}

void *answers_keep(struct broker *broker, struct link *link, uint32_t size)
{
    CHECK(link->kept_block == BUDDY_NONE);
    link->kept_at = block_take(broker, link, size, true);
    link->kept_block = link->answer_block;
    return broker->answer_memory + link->kept_at;
}

void *answers_kept(struct broker *broker, const struct link *link)
{
    return link->kept_block == BUDDY_NONE ? NULL : broker->answer_memory + link->kept_at;
}

void answers_forget(struct broker *broker, struct link *link)
{
    const uint64_t block = link->kept_block;

    if (block == BUDDY_NONE) return;
    link->kept_block = BUDDY_NONE;
    block_leave(broker, link, block);
}

/* ---- storing ---- */

static struct log_read *read_of(const struct referred *referred)
{
    return (struct log_read *)(uintptr_t)referred->records.data;
}

/* Few bytes in memory are cheaper to copy than to send as a piece of their own, and need no pin. */
static bool is_copied(const struct log_read *read)
{
    if (read->size > COPY_SIZE_MAX) return false;
    for (uint32_t i = 0; i < read->piece_count; i++) {
        if (read->pieces[i].data == NULL) return false;
    }
    return true;
}

struct layout {
    uint64_t bytes_size;
    uint64_t referred_size;
    uint64_t pinned_size;
    uint32_t piece_count;
};

static struct layout layout_of(const struct writer *out)
{
    struct layout layout = { .bytes_size = out->size };
    bool refers = false;

    for (uint32_t i = 0; i < out->referred_count; i++) {
        const struct log_read *read = read_of(&out->referred[i]);
        if (is_copied(read)) {
            layout.bytes_size += read->size;
        } else {
            layout.referred_size += read->size;
            if (read->pieces[0].data != NULL) layout.pinned_size += read->size;
            layout.piece_count += 1 + read->piece_count;
            refers = true;
        }
    }
    if (refers) layout.piece_count++;
    return layout;
}

static uint8_t *copy(uint8_t *to, const uint8_t *from, uint64_t size)
{
    if (size > 0) memcpy(to, from, size);
    return to + size;
}

static struct answer_piece *add_bytes(struct answer_piece *piece, const uint8_t *begin, const uint8_t *end)
{
    if (begin == end) return piece;
    *piece = (struct answer_piece){ .piece = { .data = begin, .size = (uint32_t)(end - begin) } };
    return piece + 1;
}

static struct answer_piece *add_read(struct answer_piece *piece, const struct log_read *read)
{
    for (uint32_t i = 0; i < read->piece_count; i++) {
        *piece++ = (struct answer_piece){
            .piece = read->pieces[i],
            .chunk = read->chunks[i],
            .segment_pin = read->segment_pin,
            .read_count = i == 0 ? read->piece_count : 0,
            .read_size = read->size,
        };
    }
    return piece;
}

/* Puts encoded bytes, copied records and references together. */
static void assemble(struct broker *broker, struct answer *answer, const struct writer *out)
{
    uint8_t *to = broker->answer_memory + answer->bytes_at, *run = to;
    struct answer_piece *pieces = (struct answer_piece *)(void *)(broker->answer_memory + answer->pieces_at);
    struct answer_piece *piece = pieces;
    uint64_t from = 0;

    for (uint32_t i = 0; i < out->referred_count; i++) {
        const struct log_read *read = read_of(&out->referred[i]);
        to = copy(to, out->data + from, out->referred[i].position - from);
        from = out->referred[i].position;
        if (is_copied(read)) {
            for (uint32_t j = 0; j < read->piece_count; j++) to = copy(to, read->pieces[j].data, read->pieces[j].size);
            logs_unpin(broker->rooms.logs, read);
        } else {
            piece = add_read(add_bytes(piece, run, to), read);
            run = to;
        }
    }
    to = copy(to, out->data + from, out->size - from);
    CHECK(to == broker->answer_memory + answer->bytes_at + answer->bytes_size);
    if (piece != pieces) piece = add_bytes(piece, run, to);
    CHECK((uint32_t)(piece - pieces) <= answer->piece_count);
    answer->piece_count = (uint32_t)(piece - pieces);
}

static enum answers_verdict store(struct broker *broker, struct link *link, const struct call *call,
                                  struct answer *answer)
{
    struct writer *out = call->out;
    const struct layout layout = layout_of(out);
    const uint64_t pieces_size = (uint64_t)layout.piece_count * sizeof(struct answer_piece);
    const uint64_t size = layout.bytes_size + ALIGNMENT + pieces_size;

    if (!writer_ok(out) || answers_never_fit(broker, size) || out->size + out->referred_size > INT32_MAX) {
        return ANSWER_TOO_LARGE;
    }
    if (!block_open(broker, link, size)) return ANSWER_NO_MEMORY;
    writer_patch_int32(out, 0, (int32_t)(out->size + out->referred_size - FRAME_HEAD_SIZE));
    answer->bytes_at = block_take(broker, link, layout.bytes_size, false);
    answer->block = link->answer_block;
    if (layout.piece_count > 0) { /* one user for both: they go together */
        answer->pieces_at = block_take(broker, link, pieces_size, true);
        *block_users(broker, answer->block) -= 1;
    }
    answer->bytes_size = (uint32_t)layout.bytes_size;
    answer->piece_count = layout.piece_count;
    answer->pinned_size = layout.pinned_size;
    answer->size = layout.bytes_size + layout.referred_size;
    assemble(broker, answer, out);
    broker->pinned_size += answer->pinned_size;
    link->unsent_size += answer->size;
    return ANSWER_STORED;
}

/* Gives back what `store` took. */
static void unstore(struct broker *broker, struct link *link, struct answer *answer)
{
    const struct answer_piece *pieces =
        (const struct answer_piece *)(void *)(broker->answer_memory + answer->pieces_at);

    for (uint32_t i = 0; i < answer->piece_count; i++) {
        if (pieces[i].read_count == 0) continue;
        struct log_read read = { .piece_count = pieces[i].read_count, .size = pieces[i].read_size };
        read.segment_pin = pieces[i].segment_pin;
        for (uint32_t j = 0; j < read.piece_count; j++) {
            read.pieces[j] = pieces[i + j].piece;
            read.chunks[j] = pieces[i + j].chunk;
        }
        logs_unpin(broker->rooms.logs, &read);
    }
    CHECK(broker->pinned_size >= answer->pinned_size && link->unsent_size >= answer->size);
    if (answer->pinned_size > 0) broker->answers_freed = true;
    broker->pinned_size -= answer->pinned_size;
    link->unsent_size -= answer->size;
    block_leave(broker, link, answer->block);
}

static void unpin_all(struct broker *broker, const struct writer *out)
{
    for (uint32_t i = 0; i < out->referred_count; i++) logs_unpin(broker->rooms.logs, read_of(&out->referred[i]));
}

/* What must never happen to two answers; for the mutation bench. */
static void swap_last(struct broker *broker, struct link *link)
{
    const uint32_t first = link->answer_first, last = link->answer_last;

    if (link->answer_count != 1 || link->sending) return;
    broker->answers[last].next = first;
    broker->answers[first].next = ANSWER_NONE;
    link->answer_first = link->send_next = last;
    link->answer_last = first;
}

enum answers_verdict answers_add(struct broker *broker, struct link *link, const struct call *call,
                                 enum answer_state state, uint32_t *number)
{
    struct answer answer = {
        .state = (uint8_t)state,
        .api_key = call->api_key,
        .version = call->version,
        .link = call->link,
        .next = ANSWER_NONE,
        .begun_ns = call->begun_ns,
        .deadline_ns = state == ANSWER_WAITS ? call->wait.deadline_ns : UINT64_MAX,
        .waits_first = WAITS_NONE,
    };
    const bool full = broker->answer_pool.taken_count == broker->answer_pool.slots_max;
    const enum answers_verdict verdict = full ? ANSWER_NO_MEMORY : store(broker, link, call, &answer);

    if (verdict != ANSWER_STORED) {
        unpin_all(broker, call->out);
        return verdict;
    }
    *number = pool_take(&broker->answer_pool);
    broker->answers[*number] = answer;
    if (link->answer_last == ANSWER_NONE) link->answer_first = *number;
    else broker->answers[link->answer_last].next = *number;
    link->answer_last = *number;
    if (MUTANT(broker_swaps_answers)) swap_last(broker, link);
    link->answer_count++;
    if (link->send_next == ANSWER_NONE) link->send_next = *number;
    if (state != ANSWER_READY) {
        if (link->unready_first == ANSWER_NONE) link->unready_first = *number;
        link->unready_count++;
        broker->answers_unready++;
    }
    return ANSWER_STORED;
}

enum answers_verdict answers_replace(struct broker *broker, struct link *link, const struct call *call)
{
    struct answer *held = answer_at(broker, link->answer_last), stored = *held;

    CHECK(held->state == ANSWER_HELD);
    CHECK(held->piece_count == 0); /* only changes are held, and they refer to nothing */
    const enum answers_verdict verdict = store(broker, link, call, &stored);
    if (verdict != ANSWER_STORED) {
        unpin_all(broker, call->out);
        return verdict;
    }
    unstore(broker, link, held);
    *held = stored;
    return ANSWER_STORED;
}

void answer_ready(struct broker *broker, uint32_t number)
{
    struct answer *answer = answer_at(broker, number);
    struct link *link = link_at(broker, answer->link);

    CHECK(answer->state != ANSWER_READY && link->unready_count > 0);
    answer->state = ANSWER_READY;
    answer->waiting_count = 0;
    if (answer->failed) produce_patch(broker, number);
    if (!MUTANT(broker_answered_still_waits)) waits_drop(&broker->waits, &answer->waits_first);
    link->unready_count--;
    broker->answers_unready--;
    while (link->unready_first != ANSWER_NONE && answer_at(broker, link->unready_first)->state == ANSWER_READY) {
        link->unready_first = answer_at(broker, link->unready_first)->next;
    }
    link_queue(broker, link);
}

void answers_expire(struct broker *broker, struct link *link)
{
    while (link->unready_first != ANSWER_NONE) {
        const uint32_t number = link->unready_first;
        const struct answer *answer = answer_at(broker, number);
        if (answer->state != ANSWER_WAITS || broker->mono_ns < answer->deadline_ns) break;
        produce_expire(broker, number);
        answer_ready(broker, number);
    }
}

void answers_hurry(struct broker *broker, const struct link *link, uint64_t deadline_ns)
{
    for (uint32_t number = link->unready_first; number != ANSWER_NONE; number = answer_at(broker, number)->next) {
        struct answer *answer = answer_at(broker, number);
        if (answer->state == ANSWER_WAITS) answer->deadline_ns = MIN(answer->deadline_ns, deadline_ns);
    }
}

/* ---- sending ---- */

static struct piece piece_of(struct broker *broker, const struct answer *answer, uint32_t number)
{
    if (answer->piece_count == 0) {
        return (struct piece){ .data = broker->answer_memory + answer->bytes_at, .size = answer->bytes_size };
    }
    CHECK(number < answer->piece_count);
    return ((struct answer_piece *)(void *)(broker->answer_memory + answer->pieces_at))[number].piece;
}

/* What is left of the piece that is next, at most `size_max` bytes of it; moves on behind it. */
static struct piece take_piece(struct broker *broker, struct link *link, uint32_t size_max)
{
    const struct answer *answer = answer_at(broker, link->send_next);
    struct piece piece = piece_of(broker, answer, link->send_piece);

    if (piece.data != NULL) piece.data += link->send_offset;
    else piece.position += link->send_offset;
    piece.size -= link->send_offset;
    if (piece.size > size_max) {
        piece.size = size_max;
        link->send_offset += size_max;
        return piece;
    }
    link->send_offset = 0;
    if (++link->send_piece >= answer->piece_count) {
        link->send_piece = 0;
        link->send_next = answer->next;
    }
    return piece;
}

static void count_answered(struct broker *broker, uint32_t from, uint32_t to)
{
    for (uint32_t number = from; number != to; number = answer_at(broker, number)->next) {
        const struct answer *answer = answer_at(broker, number);
        broker->counters.time_us[answer->api_key] += (broker->mono_ns - answer->begun_ns) / 1000;
    }
}

void answers_send(struct broker *broker, struct link *link, struct effects *effects)
{
    uint32_t count = 0, size = 0;
    const uint32_t from = link->send_next;

    if (link->sending) return;
    while (link->send_next != ANSWER_NONE && size < SEND_SIZE_MAX) {
        const struct answer *answer = answer_at(broker, link->send_next);
        if (answer->state != ANSWER_READY && !MUTANT(broker_send_before_ready)) break;
        const struct piece next = piece_of(broker, answer, link->send_piece);
        struct piece *last = count == 0 ? NULL : &link->pieces[count - 1];
        const bool joins = last != NULL && next.data != NULL && last->data != NULL && link->send_offset == 0 &&
                           last->data + last->size == next.data;
        if (!joins && count == SEND_PIECES_MAX) break;
        const struct piece piece = take_piece(broker, link, SEND_SIZE_MAX - size);
        size += piece.size;
        if (joins) last->size += piece.size;
        else link->pieces[count++] = piece;
    }
    if (count == 0) return;
    count_answered(broker, from, link->send_next);
    link->sending = true;
    link->send_ns = broker->mono_ns;
    broker->counters.sent_size += size;
    effects_add(effects, EFFECT_SEND)->send =
        (struct effect_send){ .link = link_number(broker, link), .piece_count = count, .pieces = link->pieces };
}

static void pop(struct broker *broker, struct link *link)
{
    const uint32_t number = link->answer_first;
    struct answer *answer = answer_at(broker, number);

    waits_drop(&broker->waits, &answer->waits_first);
    unstore(broker, link, answer);
    link->answer_first = answer->next;
    if (link->answer_first == ANSWER_NONE) link->answer_last = ANSWER_NONE;
    link->answer_count--;
    pool_give(&broker->answer_pool, number);
    broker->answers_freed = true;
}

void answers_sent(struct broker *broker, struct link *link)
{
    CHECK(link->sending);
    link->sending = false;
    while (link->answer_first != link->send_next) pop(broker, link);
}

void answers_drop(struct broker *broker, struct link *link)
{
    broker->answers_unready -= link->unready_count;
    link->sending = false;
    link->unready_count = 0;
    link->unready_first = ANSWER_NONE;
    link->send_next = ANSWER_NONE;
    while (link->answer_first != ANSWER_NONE) pop(broker, link);
    answers_settle(broker, link);
    CHECK(link->answer_count == 0 && link->unsent_size == 0);
    CHECK(link->answer_block == BUDDY_NONE);
}

void answers_check(const struct broker *broker, const struct link *link)
{
    uint32_t count = 0, unready = 0, last = ANSWER_NONE;
    uint64_t size = 0;
    bool all_ready = true;

    for (uint32_t number = link->answer_first; number != ANSWER_NONE; number = broker->answers[number].next) {
        const struct answer *answer = &broker->answers[number];
        CHECK(pool_is_taken(&broker->answer_pool, number));
        CHECK(answer->link == (uint32_t)(link - broker->links));
        CHECK(count++ < broker->answer_pool.slots_max);
        if (number == link->unready_first) CHECK(all_ready);
        if (answer->state != ANSWER_READY) unready++;
        all_ready = all_ready && answer->state == ANSWER_READY;
        size += answer->size;
        last = number;
    }
    CHECK(count == link->answer_count && last == link->answer_last); /* (3) */
    CHECK(unready == link->unready_count);                           /* (3) */
    CHECK((link->unready_first == ANSWER_NONE) == (unready == 0));   /* (3) */
    CHECK(size == link->unsent_size);                                /* (4) */
}
