/* What follows for a partition when something happens to its brokers, its settings or its replicas: plays of deeds and
 * what the partition says then. `epoch` is leader epoch / partition epoch. */
#include "cluster_world.h"

/* clang-format off */

/* Three replicas, of which two must be in sync: KIP-966's example, to its end and back. */
static const struct deed_row elr_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "three", "broker 3", "nothing" },
    { "all are in sync, the first leads", "create 1,2,3",
      "leader=1 epoch=0/0 isr=1,2,3 replicas=1,2,3" },
    { "a follower is lost: min_isr remain, so it may miss what is committed from now on", "fence 3",
      "leader=1 epoch=0/1 isr=1,2 replicas=1,2,3" },
    { "the leader is lost: nothing is committed from now on, so it stays eligible", "fence 1",
      "leader=2 epoch=1/2 isr=2 elr=1 replicas=1,2,3" },
    { "the last one is lost", "fence 2",
      "leader=-1 epoch=2/3 isr= elr=1,2 replicas=1,2,3 last_leader=2" },
    { "who left earlier cannot lead", "unfence 3",
      "leader=-1 epoch=2/3 isr= elr=1,2 replicas=1,2,3 last_leader=2" },
    { "an eligible one can, and need not be the last leader", "unfence 1",
      "leader=1 epoch=3/4 isr=1 elr=2 replicas=1,2,3" },
    { "another eligible one has to catch up first", "unfence 2",
      "leader=1 epoch=3/4 isr=1 elr=2 replicas=1,2,3" },
    { "with min_isr in sync again nobody else is eligible", "isr 1,3",
      "leader=1 epoch=3/5 isr=1,3 replicas=1,2,3" },
    { "the leader leaves two out at once: both had all when they were left out", "isr 1",
      "leader=1 epoch=3/6 isr=1 elr=3 replicas=1,2,3" },
    { "and all are back", "isr 1,2,3",
      "leader=1 epoch=3/7 isr=1,2,3 replicas=1,2,3" },
};

TEST(below_min_isr_former_members_stay_eligible)
{
    PLAY(elr_rows);
}

/* Last replica standing: what it lost it must not be elected for, unless nobody else can be. */
static const struct deed_row unclean_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "three", "broker 3", "nothing" },
    { "a partition", "create 1,2,3", "leader=1 epoch=0/0 isr=1,2,3 replicas=1,2,3" },
    { "one lost", "fence 3", "leader=1 epoch=0/1 isr=1,2 replicas=1,2,3" },
    { "two lost", "fence 2", "leader=1 epoch=0/2 isr=1 elr=2 replicas=1,2,3" },
    { "the last one starts anew: fenced, it leaves, and is eligible", "register 1",
      "leader=-1 epoch=1/3 isr= elr=1,2 replicas=1,2,3 last_leader=1" },
    { "its disk had lost something: it is not eligible any more, the other one is", "unfence 1 unclean",
      "leader=-1 epoch=1/4 isr= elr=2 replicas=1,2,3 last_leader=1" },
    { "the other one starts anew, too", "register 2",
      "leader=-1 epoch=1/4 isr= elr=2 replicas=1,2,3 last_leader=1" },
    { "and lost something, too: both sets are empty, and the last leader is the best there is", "unfence 2 unclean",
      "leader=1 epoch=2/5 isr=1 replicas=1,2,3 unclean=2 recovering" },
    { "who recovers stays alone until it is done", "recovered",
      "leader=1 epoch=2/6 isr=1 replicas=1,2,3 unclean=2" },
    { "then others join", "isr 1,2",
      "leader=1 epoch=2/7 isr=1,2 replicas=1,2,3 unclean=2" },
    { "known to be unclean when it registers: it is in neither set at once", "register 1 unclean",
      "leader=2 epoch=3/8 isr=2 replicas=1,2,3 unclean=2" },
    { "and cannot lead when the last one is gone", "unfence 1",
      "leader=2 epoch=3/8 isr=2 replicas=1,2,3 unclean=2" },
    { "who is lost now is eligible", "fence 2",
      "leader=-1 epoch=4/9 isr= elr=2 replicas=1,2,3 last_leader=2 unclean=2" },
    { "not even when it is the only one alive", "unfence 3",
      "leader=-1 epoch=4/9 isr= elr=2 replicas=1,2,3 last_leader=2 unclean=2" },
    { "an administrator may say otherwise: not the last leader, which is not there, but anybody", "elect-anybody",
      "leader=1 epoch=5/10 isr=1 replicas=1,2,3 unclean=5 recovering" },
    { "who was eligible comes back and is not, what it holds is not committed any more", "unfence 2",
      "leader=1 epoch=5/10 isr=1 replicas=1,2,3 unclean=5 recovering" },
};

TEST(who_lost_something_is_not_relied_on)
{
    PLAY(unclean_rows);
}

/* Of a topic with relaxed durability a crash takes what was only in memory; of all others it takes nothing. */
static const struct deed_row crash_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "three", "broker 3", "nothing" },
    { "a partition", "create 1,2,3", "leader=1 epoch=0/0 isr=1,2,3 replicas=1,2,3" },
    { "one lost", "fence 3", "leader=1 epoch=0/1 isr=1,2 replicas=1,2,3" },
    { "two lost", "fence 2", "leader=1 epoch=0/2 isr=1 elr=2 replicas=1,2,3" },
    { "the last one crashed", "register 1", "leader=-1 epoch=1/3 isr= elr=1,2 replicas=1,2,3 last_leader=1" },
    { "it holds what it promised, and leads as before", "unfence 1 crashed",
      "leader=1 epoch=2/4 isr=1 elr=2 replicas=1,2,3" },
    { "from now on memory counts", "write.caching=true", "leader=1 epoch=2/4 isr=1 elr=2 replicas=1,2,3" },
    { "it crashes again", "register 1", "leader=-1 epoch=3/5 isr= elr=1,2 replicas=1,2,3 last_leader=1" },
    { "and is not eligible any more: the other one may have more", "unfence 1 crashed",
      "leader=-1 epoch=3/6 isr= elr=2 replicas=1,2,3 last_leader=1" },
    { "that one crashed, too", "register 2", "leader=-1 epoch=3/6 isr= elr=2 replicas=1,2,3 last_leader=1" },
    { "the last leader has as much as anybody; records may be lost, and that is told", "unfence 2 crashed",
      "leader=1 epoch=4/7 isr=1 replicas=1,2,3 unclean=4 recovering" },
    { "one that ended as it should", "register 2", "leader=1 epoch=4/7 isr=1 replicas=1,2,3 unclean=4 recovering" },
    { "is back", "unfence 2", "leader=1 epoch=4/7 isr=1 replicas=1,2,3 unclean=4 recovering" },
};

TEST(a_crash_takes_what_was_only_in_memory)
{
    PLAY(crash_rows);
}

/* The last one comes back with an empty disk, or an old copy: another replica may have more than it. */
static const struct deed_row other_disk_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "a partition", "create 1,2", "leader=1 epoch=0/0 isr=1,2 replicas=1,2" },
    { "one is left, which is enough", "fence 2", "leader=1 epoch=0/1 isr=1 replicas=1,2" },
    { "and loses its disk", "register 1 unclean", "leader=-1 epoch=1/2 isr= replicas=1,2" },
    { "it does not lead by itself", "unfence 1", "leader=-1 epoch=1/2 isr= replicas=1,2" },
    { "nor does the other one, which may lack records", "unfence 2", "leader=-1 epoch=1/2 isr= replicas=1,2" },
    { "an administrator makes the other one lead: it is the only one alive", "fence 1",
      "leader=-1 epoch=1/2 isr= replicas=1,2" },
    { "and its records are what there is", "elect-anybody",
      "leader=2 epoch=2/3 isr=2 replicas=1,2 unclean=2 recovering" },
    { "one that was no leader changes nothing", "register 1 unclean",
      "leader=2 epoch=2/3 isr=2 replicas=1,2 unclean=2 recovering" },
};

TEST(who_comes_with_another_disk_does_not_lead_by_itself)
{
    PLAY(other_disk_rows);
}

/* A broker that observes follows, and is nothing else, whatever happens to the others. */
static const struct deed_row observer_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "an observer", "observer 4", "nothing" },
    { "a partition that it does not observe yet", "create 1,2", "leader=1 epoch=0/0 isr=1,2 replicas=1,2" },
    { "it does", "observers 4", "leader=1 epoch=0/1 isr=1,2 replicas=1,2 observers=4" },
    { "a replica is lost", "fence 2", "leader=1 epoch=0/2 isr=1 replicas=1,2 observers=4" },
    { "the last one is lost: nobody leads", "fence 1",
      "leader=-1 epoch=1/3 isr= elr=1 replicas=1,2 observers=4 last_leader=1" },
    { "not even when anybody may", "elect-anybody",
      "leader=-1 epoch=1/3 isr= elr=1 replicas=1,2 observers=4 last_leader=1" },
    { "nor when an unclean election is allowed", "unclean.leader.election.enable=true",
      "leader=-1 epoch=1/3 isr= elr=1 replicas=1,2 observers=4 last_leader=1" },
    { "it starts anew, as what it was", "restart 4",
      "leader=-1 epoch=1/3 isr= elr=1 replicas=1,2 observers=4 last_leader=1" },
    { "one is back", "unfence 1", "leader=1 epoch=2/4 isr=1 replicas=1,2 observers=4" },
    { "an observer that is fenced observes", "fence 4", "leader=1 epoch=2/4 isr=1 replicas=1,2 observers=4" },
    { "one that is removed does not", "remove 4", "leader=1 epoch=3/5 isr=1 replicas=1,2" },
};

TEST(who_observes_counts_for_nothing)
{
    PLAY(observer_rows);
}

static const struct deed_row promoted_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "an observer", "observer 4", "nothing" },
    { "a partition", "create 1,2", "leader=1 epoch=0/0 isr=1,2 replicas=1,2" },
    { "that it observes", "observers 4", "leader=1 epoch=0/1 isr=1,2 replicas=1,2 observers=4" },
    { "promoted, it is a replica that is added, and the others need not wait for it", "promote 4",
      "leader=1 epoch=0/2 isr=1,2 replicas=1,2,4 adding=4" },
    { "it catches up", "isr 1,2,4", "leader=1 epoch=0/3 isr=1,2,4 replicas=1,2,4" },
};

TEST(who_is_promoted_becomes_a_replica)
{
    PLAY(promoted_rows);
}

/* All others are removed, as they are when the observer goes on alone; in this order, or the other one. */
static const struct deed_row survivor_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "an observer", "observer 4", "nothing" },
    { "a partition", "create 1,2", "leader=1 epoch=0/0 isr=1,2 replicas=1,2" },
    { "that it observes", "observers 4", "leader=1 epoch=0/1 isr=1,2 replicas=1,2 observers=4" },
    { "one is removed", "remove 1", "leader=2 epoch=1/2 isr=2 replicas=1,2 observers=4" },
    { "and the other: what the observer has is not given up without a word", "remove 2",
      "leader=-1 epoch=2/3 isr= replicas=1,2 observers=4" },
    { "it is promoted: it has what there is", "promote 4",
      "leader=4 epoch=3/4 isr=4 replicas=1,2,4 unclean=3 recovering" },
};

static const struct deed_row survivor_first_rows[] = {
    { "one", "broker 1", "nothing" },
    { "an observer", "observer 4", "nothing" },
    { "a partition", "create 1", "leader=1 epoch=0/0 isr=1 replicas=1" },
    { "that it observes", "observers 4", "leader=1 epoch=0/1 isr=1 replicas=1 observers=4" },
    { "promoted", "promote 4", "leader=1 epoch=0/2 isr=1 replicas=1,4 adding=4" },
    { "and then alone", "remove 1", "leader=4 epoch=1/3 isr=4 replicas=1,4 adding=4 unclean=1 recovering" },
};

/* An empty replica that somebody put in the place of what was lost does not lead before the observer may. */
static const struct deed_row replaced_rows[] = {
    { "one", "broker 1", "nothing" },
    { "another", "broker 3", "nothing" },
    { "an observer", "observer 4", "nothing" },
    { "a partition", "create 1", "leader=1 epoch=0/0 isr=1 replicas=1" },
    { "that it observes", "observers 4", "leader=1 epoch=0/1 isr=1 replicas=1 observers=4" },
    { "its only replica is lost for ever", "remove 1",
      "leader=-1 epoch=1/2 isr= replicas=1 observers=4" },
    { "a new one takes its place, and has nothing", "replicas 3,1 adding 3 removing 1",
      "leader=-1 epoch=1/3 isr= replicas=3,1 observers=4 adding=3 removing=1" },
    { "the observer is promoted, and has something", "promote 4",
      "leader=4 epoch=2/4 isr=4 replicas=3,1,4 adding=3 removing=1 unclean=2 recovering" },
};

/* Its only replica comes back with an empty disk. */
static const struct deed_row emptied_rows[] = {
    { "one", "broker 1", "nothing" },
    { "an observer", "observer 4", "nothing" },
    { "a partition", "create 1", "leader=1 epoch=0/0 isr=1 replicas=1" },
    { "that it observes", "observers 4", "leader=1 epoch=0/1 isr=1 replicas=1 observers=4" },
    { "another disk", "register 1 unclean", "leader=-1 epoch=1/2 isr= replicas=1 observers=4" },
    { "it does not lead, or what the observer has would be cut off", "unfence 1",
      "leader=-1 epoch=1/2 isr= replicas=1 observers=4" },
    { "the observer is promoted: nobody knows who has more", "promote 4", "leader=-1 epoch=1/3 isr= replicas=1,4" },
    { "an administrator says so", "remove 1", "leader=4 epoch=2/4 isr=4 replicas=1,4 unclean=2 recovering" },
};

TEST(what_only_an_observer_has_is_an_administrators_to_choose)
{
    PLAY(survivor_rows);
    PLAY(survivor_first_rows);
    PLAY(replaced_rows);
    PLAY(emptied_rows);
}

/* Removed, then registered again under the same id: its disk may be another one, and nobody can know. */
static const struct deed_row removed_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "a partition", "create 1,2", "leader=1 epoch=0/0 isr=1,2 replicas=1,2" },
    { "one is left, which is enough", "fence 2", "leader=1 epoch=0/1 isr=1 replicas=1,2" },
    { "and falls silent", "fence 1", "leader=-1 epoch=1/2 isr= elr=1 replicas=1,2 last_leader=1" },
    { "it is removed: it is not the last leader any more, the other one may have more than its next disk",
      "remove 1", "leader=-1 epoch=1/3 isr= replicas=1,2" },
    { "it registers with an empty disk, of which nobody knows", "register 1",
      "leader=-1 epoch=1/3 isr= replicas=1,2" },
    { "it does not lead by itself", "unfence 1", "leader=-1 epoch=1/3 isr= replicas=1,2" },
    { "so the other one comes back to what it had", "unfence 2", "leader=-1 epoch=1/3 isr= replicas=1,2" },
    { "an administrator sees to it that it is chosen", "fence 1", "leader=-1 epoch=1/3 isr= replicas=1,2" },
    { "and nothing that it has is lost", "elect-anybody",
      "leader=2 epoch=2/4 isr=2 replicas=1,2 unclean=2 recovering" },
};

TEST(who_was_removed_is_no_last_leader)
{
    PLAY(removed_rows);
}

/* One replica: it is all there is. */
static const struct deed_row alone_rows[] = {
    { "one", "broker 1", "nothing" },
    { "a partition", "create 1", "leader=1 epoch=0/0 isr=1 replicas=1" },
    { "a start in one record: it leaves and is elected again, in a new epoch", "restart 1",
      "leader=1 epoch=1/1 isr=1 replicas=1" },
    { "a start in two", "register 1", "leader=-1 epoch=2/2 isr= elr=1 replicas=1 last_leader=1" },
    { "clean", "unfence 1", "leader=1 epoch=3/3 isr=1 replicas=1" },
    { "one that lost something", "register 1 unclean", "leader=-1 epoch=4/4 isr= replicas=1 last_leader=1" },
    { "is still the only one, and it is told", "unfence 1",
      "leader=1 epoch=5/5 isr=1 replicas=1 unclean=5 recovering" },
    { "in one record, too", "restart 1 unclean", "leader=1 epoch=6/6 isr=1 replicas=1 unclean=6 recovering" },
    { "removed by force", "remove 1", "leader=-1 epoch=7/7 isr= replicas=1 last_leader=1 unclean=6 recovering" },
    { "and back: nobody knows what it holds", "broker 1",
      "leader=1 epoch=8/8 isr=1 replicas=1 unclean=8 recovering" },
    { "another", "broker 2", "leader=1 epoch=8/8 isr=1 replicas=1 unclean=8 recovering" },
    { "is to take over", "replicas 2,1 adding 2 removing 1",
      "leader=1 epoch=8/9 isr=1 replicas=2,1 adding=2 removing=1 unclean=8 recovering" },
    { "but has nothing yet when this one's disk is lost", "restart 1 unclean",
      "leader=1 epoch=9/10 isr=1 replicas=2,1 adding=2 removing=1 unclean=9 recovering" },
};

TEST(the_only_replica_leads_whatever_it_holds)
{
    PLAY(alone_rows);
}

/* Whoever is not registered any more does not come back with what it had: then somebody else is better than nobody. */
static const struct deed_row lost_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "three", "broker 3", "nothing" },
    { "a partition", "create 1,2,3", "leader=1 epoch=0/0 isr=1,2,3 replicas=1,2,3" },
    { "one is enough", "min.insync.replicas=1", "leader=1 epoch=0/1 isr=1,2,3 replicas=1,2,3" },
    { "all but one are out of sync", "isr 1", "leader=1 epoch=0/2 isr=1 replicas=1,2,3" },
    { "which is silent", "fence 1", "leader=-1 epoch=1/3 isr= elr=1 replicas=1,2,3 last_leader=1" },
    { "of the others one is, too", "fence 3", "leader=-1 epoch=1/3 isr= elr=1 replicas=1,2,3 last_leader=1" },
    { "the first one is lost for ever; but one is still to be waited for", "remove 1",
      "leader=-1 epoch=1/4 isr= replicas=1,2,3" },
    { "nobody is", "remove 3", "leader=2 epoch=2/5 isr=2 replicas=1,2,3 unclean=2 recovering" },
};

TEST(what_only_the_lost_had_is_given_up)
{
    PLAY(lost_rows);
}

/* min_isr of 1: whoever was left alone may have committed alone. */
static const struct deed_row one_enough_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "a partition", "create 1,2", "leader=1 epoch=0/0 isr=1,2 replicas=1,2" },
    { "one remains, which is enough: the other may miss something", "fence 1",
      "leader=2 epoch=1/1 isr=2 replicas=1,2" },
    { "the last one", "fence 2", "leader=-1 epoch=2/2 isr= elr=2 replicas=1,2 last_leader=2" },
    { "the other one cannot lead", "unfence 1", "leader=-1 epoch=2/2 isr= elr=2 replicas=1,2 last_leader=2" },
    { "unless the topic prefers it to nobody", "unclean.leader.election.enable=true",
      "leader=1 epoch=3/3 isr=1 replicas=1,2 unclean=3 recovering" },
    { "the last one is back too late", "unfence 2", "leader=1 epoch=3/3 isr=1 replicas=1,2 unclean=3 recovering" },
    { "done", "recovered", "leader=1 epoch=3/4 isr=1 replicas=1,2 unclean=3" },
    { "the leader is lost: anybody leads, at once", "fence 1",
      "leader=2 epoch=4/5 isr=2 replicas=1,2 unclean=4 recovering" },
};

TEST(with_one_in_sync_nobody_else_is_eligible)
{
    PLAY(one_enough_rows);
}

/* min.insync.replicas changes: partitions are judged anew in the same entry. */
static const struct deed_row min_isr_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "three", "broker 3", "nothing" },
    { "a partition", "create 1,2,3", "leader=1 epoch=0/0 isr=1,2,3 replicas=1,2,3" },
    { "all three: it is another configuration", "min.insync.replicas=3",
      "leader=1 epoch=0/1 isr=1,2,3 replicas=1,2,3" },
    { "one is lost, and eligible", "fence 3", "leader=1 epoch=0/2 isr=1,2 elr=3 replicas=1,2,3" },
    { "two are enough: from now on it may miss something", "min.insync.replicas=2",
      "leader=1 epoch=0/3 isr=1,2 replicas=1,2,3" },
    { "more than there are is as many as there are", "min.insync.replicas=7",
      "leader=1 epoch=0/4 isr=1,2 replicas=1,2,3" },
    { "which is no other configuration", "min.insync.replicas=3",
      "leader=1 epoch=0/4 isr=1,2 replicas=1,2,3" },
    { "nor is what the topic would have anyway", "unclean.leader.election.enable=false",
      "leader=1 epoch=0/4 isr=1,2 replicas=1,2,3" },
};

TEST(another_min_isr_is_another_configuration)
{
    PLAY(min_isr_rows);
}

/* A broker that starts anew never goes on in an epoch in which it led. */
static const struct deed_row restart_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "three", "broker 3", "nothing" },
    { "a partition", "create 1,2,3", "leader=1 epoch=0/0 isr=1,2,3 replicas=1,2,3" },
    { "a leader starts anew before anybody missed it: others lead, it has to catch up", "restart 1",
      "leader=2 epoch=1/1 isr=2,3 replicas=1,2,3" },
    { "a follower starts anew: it leaves the isr, the epoch goes on", "restart 3",
      "leader=2 epoch=1/2 isr=2 elr=3 replicas=1,2,3" },
    { "the last one starts anew in one record, and another eligible one comes before it", "replicas 3,2,1",
      "leader=2 epoch=1/3 isr=2 elr=3 replicas=3,2,1" },
    { "so that one leads", "restart 2", "leader=3 epoch=2/4 isr=3 elr=2 replicas=3,2,1" },
    { "fenced and unfenced is no new life, but another epoch all the same", "fence 3",
      "leader=2 epoch=3/5 isr=2 elr=3 replicas=3,2,1" },
};

TEST(no_epoch_is_resumed)
{
    PLAY(restart_rows);
}

static const struct deed_row shutdown_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "three", "broker 3", "nothing" },
    { "a partition", "create 1,2,3", "leader=1 epoch=0/0 isr=1,2,3 replicas=1,2,3" },
    { "the leader is about to go: the next one leads, and it leaves the isr", "shutdown 1",
      "leader=2 epoch=1/1 isr=2,3 replicas=1,2,3" },
    { "it joins no isr meanwhile", "isr 1,2,3", "leader=2 epoch=1/1 isr=2,3 replicas=1,2,3" },
    { "nor is it elected", "fence 2", "leader=3 epoch=2/2 isr=3 elr=2 replicas=1,2,3" },
    { "the last one stays, and leads", "shutdown 3", "leader=3 epoch=2/2 isr=3 elr=2 replicas=1,2,3" },
    { "until another one can: but that is not in sync", "unfence 2",
      "leader=3 epoch=2/2 isr=3 elr=2 replicas=1,2,3" },
    { "as soon as it is, it leads", "isr 3,2", "leader=2 epoch=3/3 isr=2 elr=3 replicas=1,2,3" },
    { "gone", "fence 3", "leader=2 epoch=3/3 isr=2 elr=3 replicas=1,2,3" },
    { "back, by a new start", "register 3", "leader=2 epoch=3/3 isr=2 elr=3 replicas=1,2,3" },
    { "then it leads if need be", "unfence 3", "leader=2 epoch=3/3 isr=2 elr=3 replicas=1,2,3" },
    { "as now", "fence 2", "leader=3 epoch=4/4 isr=3 elr=2 replicas=1,2,3" },
};

TEST(who_shuts_down_hands_over)
{
    PLAY(shutdown_rows);
}

static const struct deed_row reassignment_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "three", "broker 3", "nothing" },
    { "four", "broker 4", "nothing" },
    { "a partition", "create 1,2", "leader=1 epoch=0/0 isr=1,2 replicas=1,2" },
    { "to others: old and new are replicas, in the order of the target", "replicas 3,4,1,2 adding 3,4 removing 1,2",
      "leader=1 epoch=0/1 isr=1,2 replicas=3,4,1,2 adding=3,4 removing=1,2" },
    { "the first new one is in sync", "isr 1,2,3",
      "leader=1 epoch=0/2 isr=3,1,2 replicas=3,4,1,2 adding=3,4 removing=1,2" },
    { "the old leader is lost", "fence 1",
      "leader=3 epoch=1/3 isr=3,2 replicas=3,4,1,2 adding=3,4 removing=1,2" },
    { "with the second one it is done, in the same change", "isr 3,2,4",
      "leader=3 epoch=2/4 isr=3,4 replicas=3,4" },
    { "a replica less needs nobody to catch up", "replicas 3,4 removing 3",
      "leader=4 epoch=3/5 isr=4 replicas=4" },
    { "a replica more", "replicas 4,2,3 adding 2,3",
      "leader=4 epoch=3/6 isr=4 replicas=4,2,3 adding=2,3" },
    { "taken back", "replicas 4", "leader=4 epoch=4/7 isr=4 replicas=4" },
};

TEST(reassignments_run_to_their_end)
{
    PLAY(reassignment_rows);
}

/* A topic that is meant to have three replicas and begins with one. */
static const struct deed_row growth_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "three", "broker 3", "nothing" },
    { "a partition", "create 1", "leader=1 epoch=0/0 isr=1 replicas=1" },
    { "two in sync are wanted, and one is there", "min.insync.replicas=2", "leader=1 epoch=0/0 isr=1 replicas=1" },
    { "those that are added do not count yet: acks=all goes on", "replicas 1,2,3 adding 2,3",
      "leader=1 epoch=0/1 isr=1 replicas=1,2,3 adding=2,3" },
    { "so the only one is eligible, not in want of others", "fence 1",
      "leader=-1 epoch=1/2 isr= elr=1 replicas=1,2,3 adding=2,3 last_leader=1" },
    { "and back", "unfence 1", "leader=1 epoch=2/3 isr=1 replicas=1,2,3 adding=2,3" },
    { "half way", "isr 1,2", "leader=1 epoch=2/4 isr=1,2 replicas=1,2,3 adding=2,3" },
    { "all the way", "isr 1,2,3", "leader=1 epoch=2/5 isr=1,2,3 replicas=1,2,3" },
    { "now two count", "fence 3", "leader=1 epoch=2/6 isr=1,2 replicas=1,2,3" },
    { "now two count", "fence 2", "leader=1 epoch=2/7 isr=1 elr=2 replicas=1,2,3" },
};

TEST(growth_asks_nothing_of_new_replicas_before_they_are_there)
{
    PLAY(growth_rows);
}

static const struct deed_row preferred_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "a partition", "create 1,2", "leader=1 epoch=0/0 isr=1,2 replicas=1,2" },
    { "it leads already", "elect-preferred", "leader=1 epoch=0/0 isr=1,2 replicas=1,2" },
    { "another leads", "fence 1", "leader=2 epoch=1/1 isr=2 replicas=1,2" },
    { "it is not even alive", "elect-preferred", "leader=2 epoch=1/1 isr=2 replicas=1,2" },
    { "alive", "unfence 1", "leader=2 epoch=1/1 isr=2 replicas=1,2" },
    { "but not in sync", "elect-preferred", "leader=2 epoch=1/1 isr=2 replicas=1,2" },
    { "nor is anybody asked for while somebody leads", "elect-anybody", "leader=2 epoch=1/1 isr=2 replicas=1,2" },
    { "in sync", "isr 1,2", "leader=2 epoch=1/2 isr=1,2 replicas=1,2" },
    { "so it leads again", "elect-preferred", "leader=1 epoch=2/3 isr=1,2 replicas=1,2" },
    { "leaving is no reason not to lead", "leave 1", "leader=1 epoch=2/3 isr=1,2 replicas=1,2" },
};

TEST(the_preferred_leader_leads_when_it_can)
{
    PLAY(preferred_rows);
}

/* Somebody was fenced between the decision and the record. */
static const struct deed_row late_rows[] = {
    { "one", "broker 1", "nothing" },
    { "two", "broker 2", "nothing" },
    { "it was there when it was decided", "fence 1", "nothing" },
    { "and leaves as it would have left", "create 1,2", "leader=2 epoch=1/1 isr=2 replicas=1,2" },
};

TEST(a_new_partition_is_settled_at_once)
{
    PLAY(late_rows);
}
/* clang-format on */
