/* Whom a leader wishes into the ISR and out of it: who joins, who leaves, who counts meanwhile, who waits. */
#include "replica/isr.h"
#include "t.h"

enum { ooo = 0, Loo = 1, LFo = 3, ooG = 4, LFG = 7, LoG = 5 }; /* a set as a picture: leader, F, G */
#define SECOND UINT64_C(1000000000)
#define NOW (100 * SECOND)
#define LAG (10 * SECOND)

static struct isr_facts facts[3];

static const struct isr_view view = {
    .mono_ns = NOW, .lag_ns = LAG, .high_watermark = 50, .epoch_start = 40, .replica_count = 3, .facts = facts
};

static struct isr_view at(uint64_t mono_ns)
{
    struct isr_view then = view;

    then.mono_ns = mono_ns;
    return then;
}

/* F is well; G is as the row says. */
static const struct isr_row {
    const char *why;
    slot_set current;
    struct isr_facts g;
    int64_t epoch_start;
    bool asks;
    slot_set wanted, joining;
} isr_rows[] = {
    { "who is in and keeps up stays", LFG, { true, true, false, 7, 30, NOW - LAG }, 40, false, LFG, ooo },
    { "who was not caught up for the lag leaves",
      LFG,
      { true, true, false, 7, 30, NOW - LAG - 1 },
      40,
      true,
      LFo,
      ooo },
    { "a full disk leaves at once", LFG, { true, true, true, 7, 50, NOW }, 40, true, LFo, ooo },
    { "who holds what is committed comes", LFo, { true, true, false, 7, 50, NOW }, 40, true, LFG, ooo },
    { "one record less, and the mark waits for him", LFo, { true, true, false, 7, 49, NOW }, 40, false, LFo, ooG },
    { "the begin of the epoch must be there, too", LFo, { true, true, false, 7, 50, NOW }, 60, false, LFo, ooG },
    { "then he comes", LFo, { true, true, false, 7, 60, NOW }, 60, true, LFG, ooo },
    { "the mark does not wait for one far behind", LFo, { true, false, false, 7, 20, NOW }, 40, false, LFo, ooo },
    { "nor for one who has said nothing", LFo, { true, true, false, 7, -1, NOW }, 40, false, LFo, ooo },
    { "nor for one who is fenced, or about to go", LFo, { false, true, false, 7, 50, NOW }, 40, false, LFo, ooo },
    { "nor for one whose disk is full", LFo, { true, true, true, 7, 50, NOW }, 40, false, LFo, ooo },
};

TEST(isr_is_decided)
{
    FOR_EACH(isr_row, row, isr_rows) {
        struct isr isr;
        struct isr_view then = view;
        slot_set wanted = row->current;

        facts[1] = (struct isr_facts){ true, true, false, 3, 50, NOW };
        facts[2] = row->g;
        then.epoch_start = row->epoch_start;
        isr_init(&isr, 0, row->current);
        EXPECT_EQ(row->why, row->asks, isr_decide(&isr, &then, &wanted));
        EXPECT_EQ(row->why, row->wanted, wanted);
        EXPECT_EQ(row->why, row->wanted, isr.sets.proposed);
        EXPECT_EQ(row->why, row->joining, isr.sets.joining);
        EXPECT_EQ("nothing has changed yet", row->current, isr.sets.current);
    }
}

/* Our own disk is full. */
static const struct resign_row {
    const char *why;
    slot_set current;
    struct isr_facts f, g;
    bool own_full, asks;
    slot_set wanted;
    uint8_t isr_min;
} resign_rows[] = {
    /* clang-format off */
    { "with room nobody resigns", LFG,
      { true, true, false, 3, 50, NOW }, { true, true, false, 7, 50, NOW }, false, false, LFG, 2 },
    { "others have room", LFG,
      { true, true, false, 3, 50, NOW }, { true, true, false, 7, 50, NOW }, true, true, LFG & ~Loo, 2 },
    { "one of them has, and is enough", LFG,
      { true, true, true, 3, 50, NOW }, { true, true, false, 7, 50, NOW }, true, true, ooG, 1 },
    { "one of them has, and could not commit alone", LFG,
      { true, true, true, 3, 50, NOW }, { true, true, false, 7, 50, NOW }, true, true, LoG, 2 },
    { "nobody has: whoever led could take nothing", LFG,
      { true, true, true, 3, 50, NOW }, { true, true, true, 7, 50, NOW }, true, true, Loo, 1 },
    { "who has room is about to go", LFo,
      { false, true, false, 3, 50, NOW }, { true, false, true, 7, 20, NOW }, true, false, LFo, 1 },
    { "who joins has to be in first", Loo,
      { true, true, false, 3, 50, NOW }, { true, false, true, 7, 20, NOW }, true, true, LFo, 1 },
    { "who is in goes before who joins", LFo,
      { true, true, false, 3, 50, NOW }, { true, true, false, 7, 50, NOW }, true, true, LFo & ~Loo, 1 },
    { "alone it can only wait", Loo,
      { false, false, false, -1, -1, 0 }, { false, false, false, -1, -1, 0 }, true, false, Loo, 1 },
    /* clang-format on */
};

TEST(a_leader_whose_disk_is_full_resigns)
{
    FOR_EACH(resign_row, row, resign_rows) {
        struct isr isr;
        struct isr_view then = view;
        slot_set wanted = row->current;

        then.own_full = row->own_full;
        then.isr_min = row->isr_min;
        facts[1] = row->f;
        facts[2] = row->g;
        isr_init(&isr, 0, row->current);
        EXPECT_EQ(row->why, row->asks, isr_decide(&isr, &then, &wanted));
        EXPECT_EQ(row->why, row->wanted, wanted);
        EXPECT_EQ("we count until somebody else leads", row->wanted | Loo, isr.sets.proposed);
        EXPECT("once is enough", !isr_decide(&isr, &then, &wanted));
        if (!row->asks) continue;
        isr_on_refused(&isr, &then, false);
        EXPECT_EQ("refused, all is as it was", row->current, isr.sets.proposed);
        EXPECT("and the question waits", !isr_decide(&isr, &then, &wanted));
        if (row->wanted == (row->wanted & ~Loo)) {
            EXPECT_EQ("not for ever", isr.quiet_until_ns, isr_deadline_ns(&isr, &then));
        }
    }
}

static struct isr asked_for_g(void)
{
    struct isr isr;
    slot_set wanted;

    facts[1] = (struct isr_facts){ true, true, false, 3, 50, NOW };
    facts[2] = (struct isr_facts){ true, true, false, 7, 50, NOW };
    isr_init(&isr, 0, LFo);
    CHECK(isr_decide(&isr, &view, &wanted) && wanted == LFG);
    return isr;
}

TEST(one_change_is_asked_for_at_a_time)
{
    struct isr isr = asked_for_g();
    slot_set wanted;

    facts[1].full = true;
    EXPECT("another one waits", !isr_decide(&isr, &view, &wanted));
    isr_on_config(&isr, LFG);
    EXPECT_EQ("he is in", LFG, isr.sets.current);
    EXPECT("now the other one", isr_decide(&isr, &view, &wanted));
    EXPECT_EQ("without F", LoG, wanted);
    EXPECT_EQ("who counts until he is out", LFG, isr.sets.current);
}

TEST(who_is_refused_waits)
{
    struct isr isr = asked_for_g(), again;
    const struct isr_view soon = at(NOW + ISR_BACK_OFF_NS - 1), later = at(NOW + ISR_BACK_OFF_NS);
    slot_set wanted;

    isr_on_refused(&isr, &view, true);
    EXPECT_EQ("he does not count any more", LFo, isr.sets.proposed);
    facts[1].caught_up_ns = facts[2].caught_up_ns = later.mono_ns;
    EXPECT("he has to wait", !isr_decide(&isr, &soon, &wanted));
    EXPECT_EQ("and the mark does not wait for him meanwhile", ooo, isr.sets.joining);
    again = isr;
    EXPECT("then he may come again: perhaps he was fenced only for a moment", isr_decide(&again, &later, &wanted));
    facts[2].broker_epoch = 8;
    EXPECT("nothing is asked yet", !isr_decide(&isr, &soon, &wanted));
    EXPECT_EQ("but another process of him may join at once", ooG, isr.sets.joining);
}

TEST(who_is_late_does_not_join)
{
    struct isr isr;
    slot_set wanted;
    const struct isr_view now = at(NOW);

    facts[1] = (struct isr_facts){ true, true, false, 3, 50, NOW };
    facts[2] = (struct isr_facts){ true, true, false, 7, 50, NOW - now.lag_ns - 1 };
    isr_init(&isr, 0, LFo);
    EXPECT("he has it all, and would have to leave at once", !isr_decide(&isr, &now, &wanted));
    EXPECT_EQ("the mark waits", ooG, isr.sets.joining);
    facts[2].caught_up_ns = NOW;
    EXPECT("he has been heard", isr_decide(&isr, &now, &wanted));
    EXPECT_EQ("and is in", LFG, wanted);
}

TEST(who_joins_in_vain_waits_longer_each_time)
{
    struct isr isr;
    slot_set wanted;
    uint64_t now = NOW, waits = ISR_BACK_OFF_NS;

    facts[1] = (struct isr_facts){ true, true, false, 3, 50, NOW };
    facts[2] = (struct isr_facts){ true, true, false, 7, 49, NOW };
    isr_init(&isr, 0, LFo);
    for (uint32_t round = 0; round < 4; round++, waits *= 2) {
        struct isr_view then = at(now);
        EXPECT("he is not there yet", !isr_decide(&isr, &then, &wanted));
        EXPECT_EQ("the mark waits", ooG, isr.sets.joining);
        EXPECT_EQ("for so long", now + ISR_JOINING_NS, isr_deadline_ns(&isr, &then));
        now += ISR_JOINING_NS;
        facts[1].caught_up_ns = now;
        then = at(now);
        isr_decide(&isr, &then, &wanted);
        EXPECT_EQ("and not longer", ooo, isr.sets.joining);
        EXPECT_EQ("the next try", now + waits, isr_deadline_ns(&isr, &then));
        then = at(now + waits - 1);
        isr_decide(&isr, &then, &wanted);
        EXPECT_EQ("comes no sooner", ooo, isr.sets.joining);
        now += waits;
    }
}

TEST(who_lost_his_stream_does_not_join)
{
    struct isr isr;
    slot_set wanted;

    facts[1] = (struct isr_facts){ true, true, false, 3, 50, NOW };
    facts[2] = (struct isr_facts){ true, true, false, 7, 49, NOW };
    isr_init(&isr, 0, LFo);
    isr_decide(&isr, &view, &wanted);
    isr_on_lost(&isr, 2, NOW);
    EXPECT_EQ("the mark goes on", ooo, isr.sets.joining);
}
