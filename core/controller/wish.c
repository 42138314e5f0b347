#include "controller/wish.h"

#include "base/check.h"
#include "meta/wish_window.h"

enum { VERSION = 1 };

void wish_write(const struct wish *wish, uint8_t head[WISH_HEAD_SIZE])
{
    head[0] = VERSION;
    head[1] = wish->kind;
    store_u16(head + 2, (uint16_t)wish->version);
    store_u32(head + 4, wish->attempt);
    store_u64(head + 8, wish->term);
    store_u64(head + 16, wish->sequence);
    store_u64(head + 24, wish->first_open);
    memcpy(head + 32, wish->incarnation.bytes, sizeof wish->incarnation.bytes);
}

bool wish_read(struct bytes frame, struct wish *wish)
{
    const uint8_t *from = frame.data;

    if (frame.size < WISH_HEAD_SIZE || from[0] != VERSION) return false;
    wish->kind = from[1];
    wish->version = (int16_t)load_u16(from + 2);
    wish->attempt = load_u32(from + 4);
    wish->term = load_u64(from + 8);
    wish->sequence = load_u64(from + 16);
    wish->first_open = load_u64(from + 24);
    memcpy(wish->incarnation.bytes, from + 32, sizeof wish->incarnation.bytes);
    wish->body = (struct bytes){ from + WISH_HEAD_SIZE, frame.size - WISH_HEAD_SIZE };
    if (wish->version < 0 || wish->attempt == 0 || wish->term == 0 || uuid_is_zero(&wish->incarnation)) return false;
    if (wish->first_open == 0 || wish->first_open > wish->sequence || wish->sequence > WISH_SEQUENCE_MAX) return false;
    return wish->sequence - wish->first_open < WISHES_OPEN_MAX;
}

void wish_answer_write(const struct wish_answer *answer, uint8_t head[WISH_ANSWER_HEAD_SIZE])
{
    CHECK(answer->verdict < WISH_OPEN); /* the others are the origin's own */
    head[0] = VERSION;
    head[1] = (uint8_t)answer->verdict;
    store_u16(head + 2, 0);
    store_u32(head + 4, answer->attempt);
    store_u64(head + 8, answer->term);
    store_u64(head + 16, answer->sequence);
    memcpy(head + 24, answer->incarnation.bytes, sizeof answer->incarnation.bytes);
}

bool wish_answer_read(struct bytes frame, struct wish_answer *answer)
{
    const uint8_t *from = frame.data;

    if (frame.size < WISH_ANSWER_HEAD_SIZE || from[0] != VERSION || load_u16(from + 2) != 0) return false;
    if (from[1] < WISH_ANSWERED || from[1] >= WISH_OPEN) return false;
    answer->verdict = (enum wish_verdict)from[1];
    answer->attempt = load_u32(from + 4);
    answer->term = load_u64(from + 8);
    answer->sequence = load_u64(from + 16);
    memcpy(answer->incarnation.bytes, from + 24, sizeof answer->incarnation.bytes);
    answer->answer = (struct bytes){ from + WISH_ANSWER_HEAD_SIZE, frame.size - WISH_ANSWER_HEAD_SIZE };
    if (answer->verdict != WISH_ANSWERED && answer->answer.size > 0) return false;
    return answer->sequence >= 1 && answer->sequence <= WISH_SEQUENCE_MAX;
}
