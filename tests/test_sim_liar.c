/* What may be said to a batch that is bent. */
#include "codec/errors.h"
#include "sim/client.h"
#include "t.h"

static const struct answer_row {
    const char *why;
    int16_t error;
    bool always_wrong;
} answer_rows[] = {
    { "it is taken", ERROR_NONE, true },
    { "that is no reason", ERROR_UNKNOWN_SERVER_ERROR, true },
    { "the client would end itself", ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, true },
    { "somebody else leads", ERROR_NOT_LEADER_OR_FOLLOWER, false },
    { "nothing can be taken now", ERROR_NOT_ENOUGH_REPLICAS, false },
};

TEST(bent_batches)
{
    static struct judge judge;

    for (uint64_t lie = 0; lie < LIES; lie++) {
        FOR_EACH(answer_row, row, answer_rows) {
            judge_init(&judge);
            liar_judge(&judge, lie, row->error);
            EXPECT_EQ(row->why, row->always_wrong ? RULE_N : RULE_NONE, judge.broken);
            judge_free(&judge);
        }
        static const int16_t reasons[] = { ERROR_CORRUPT_MESSAGE, ERROR_INVALID_RECORD, ERROR_INVALID_TIMESTAMP,
                                           ERROR_UNSUPPORTED_COMPRESSION_TYPE };
        uint32_t right = 0;
        for (uint32_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
            judge_init(&judge);
            liar_judge(&judge, lie, reasons[i]);
            right += judge.broken == RULE_NONE;
            judge_free(&judge);
        }
        EXPECT_EQ("one reason is the right one", 1, right);
    }
}
