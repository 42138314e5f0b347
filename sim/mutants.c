#include "sim/mutants.h"

#include "base/check.h"

#include <stddef.h>
#include <string.h>

/* X(name, bug, fate). A control says why it is one. Those of the Raft engine are in raft_mutants.c. */
/* clang-format off */
#define EACH_MUTANT(X) \
    X(broker_ack_before_durable, "acks=1 and acks=all are answered before the record is durable", DIES) \
    X(broker_answered_still_waits, "an answered request stays in the waiting room", DIES) \
    X(broker_appends_again, "a request that waited for memory appends its first partitions again", DIES) \
    X(broker_awaits_first_offset, "a batch is acknowledged when its first record is durable", DIES) \
    X(broker_awaits_other_epochs, "who waited for room is acknowledged by what another leader wrote there", OPEN) \
    X(broker_deposed_waits_on, "who leads no more acknowledges by what its successor commits", DIES_IN_LITE) \
    X(broker_duplicate_is_not_awaited, "a duplicate is acknowledged at once, durable or not", DIES) \
    X(broker_fetch_above_high_watermark, "consumers are given what is not committed", DIES) \
    X(broker_first_batch_cut, "a first batch larger than the limit is not given (KIP-74)", DIES) \
    X(broker_follower_denies, "a follower says of what it lacks that nobody has it (KIP-392)", OPEN) \
    X(broker_forgets_min_isr, "acks=all is taken with fewer than min.insync.replicas in sync", DIES_IN_LITE) \
    X(broker_guesses_the_end, "a new leader tells an end before it knows it (KIP-207)", DIES_IN_LITE) \
    X(broker_lists_uncommitted, "ListOffsets names the log end offset as latest", DIES) \
    X(broker_quotas_are_only_told, "who has sent too much is listened to all the same (KIP-219)", DIES_IN_TEST) \
    X(broker_send_before_ready, "answers leave before what they promise is true", DIES) \
    X(broker_swaps_answers, "answers leave in another order than their requests came in", DIES) \
    X(checkpoint_before_sync, "a checkpoint is made before the segments are synced", DIES) \
    X(checkpoint_has_producers_of_tomorrow, "a checkpoint holds producer state from beyond its offsets", DIES) \
    X(checkpoint_lacks_producers, "a checkpoint does not hold producer state", DIES) \
    X(checkpoint_not_synced, "a checkpoint is renamed without a sync (KAFKA-16541)", DIES) \
    X(checkpoint_releases_what_came_meanwhile, "a checkpoint gives back rounds that came meanwhile", DIES_IN_CLUSTER) \
    X(compaction_drops_tombstones_at_once, "a tombstone goes with the compaction that sees it first", DIES) \
    X(compaction_forgets_what_it_passed_over, "a tombstone goes though its value was passed over", DIES_IN_TEST) \
    X(compaction_forgets_directories, "a compacted log is named in directories that are not durable", OPEN) \
    X(compaction_forgets_its_pace, "compaction reads and writes as fast as it can, whatever was set", OPEN) \
    X(compaction_forgets_producers, "compaction drops the last sequence of a producer (KAFKA-5490)", DIES_IN_LITE) \
    X(compaction_keeps_the_first, "compaction drops the last record of a key", DIES) \
    X(compaction_passes_high_watermark, "compaction looks at what is not committed", OPEN) \
    X(compaction_sources_go_at_once, "what was compacted goes while a checkpoint still names it", OPEN) \
    X(compaction_swaps_before_sync, "a compacted segment takes its place before it is durable", DIES) \
    X(converge_keeps_settings, "a setting that was taken back while a node was away stays there", DIES_IN_LITE) \
    X(copies_forget_who_moved_in, "a broker that fails is not missed where it got a replica by a move", DIES_IN_LITE) \
    X(copy_is_larger_than_a_round, "a run of copied batches waits for a round that could hold it", OPEN) \
    X(copy_is_not_checked, "a follower takes batches whose checksum is wrong", OPEN) \
    X(deletion_is_told_to_nobody, "DeleteRecords is answered before other replicas know of it", DIES_IN_LITE) \
    X(directories_not_synced, "names of new segments are not synced (KAFKA-3968)", DIES) \
    X(duplicate_has_new_offset, "a duplicate is answered with an offset that is not its own", DIES) \
    X(epoch_start_not_written, "a new leader writes down no epoch start before its first append " \
      "(KAFKA-7415)", DIES_IN_LITE) \
    X(epochs_keep_the_one_at_the_cut, "an epoch that begins where a log was cut is still known", DIES_IN_LITE) \
    X(evenness_waits_for_the_search, "a rebalance leaves leaders to the next search, and never ends", DIES_IN_TEST) \
    X(files_cut_before_it_is_durable, "files of a truncated log are cut before the truncation is durable", OPEN) \
    X(flush_takes_what_is_not_durable, "segments get what the journal has not made durable", DIES) \
    X(follower_acks_before_durable, "a follower acknowledges what its disk has not got yet", DIES) \
    X(follower_forgets_last_epoch, "the epoch of a follower's last record is not compared (KAFKA-15510)", OPEN) \
    X(follower_is_ahead_of_its_metadata, "a replica that was dropped and given back counts by its first life", OPEN) \
    X(follower_joins_before_epoch_start, "one joins the ISR without the start of the epoch " \
      "(KAFKA-7128)", DIES_IN_LITE) \
    X(follower_obeys_old_leaders, "a follower takes records of a leader that was deposed", DIES_IN_LITE) \
    X(follower_raises_watermark_first, "data that is refused says what is committed (KAFKA-14704)", DIES_IN_LITE) \
    X(follower_truncates_to_own_high_watermark, "a follower truncates to its high watermark " \
      "(KAFKA-1211)", DIES_IN_LITE) \
    X(former_registration_counts, "a node goes on by the registration of its former life", DIES_IN_LITE) \
    X(full_follower_stays_out, "a follower whose disk was full once is taken for full for ever", DIES_IN_LITE) \
    X(followers_go_by_their_own_clocks, "a follower deletes what is too old by its own clock, and so everywhere", \
      DIES_IN_TEST) \
    X(time_lookup_trusts_an_old_answer, "that a time was not found once is told to who asks later", OPEN) \
    X(full_leader_stays, "a leader whose disk is full goes on leading what it cannot take", DIES_IN_TEST) \
    X(group_answers_a_later_wait, "what a connection gave up waiting for answers what it asks next", DIES_IN_TEST) \
    X(group_answers_before_commit, "an offset commit is answered before it is committed", DIES_IN_GROUPS) \
    X(group_assigns_unreleased, "a member gets what another one has not given up yet", DIES_IN_GROUPS) \
    X(group_generation_begins_anew, "a new coordinator counts generations from the beginning", DIES_IN_GROUPS) \
    X(group_joins_early, "a generation begins with those who came first, and leaves out the others", DIES_IN_GROUPS) \
    X(group_loads_to_the_watermark, "a new coordinator loads what it knows to be committed", DIES_IN_GROUPS) \
    X(group_revokes_unheard, "what a member is to give up counts as given up at once", DIES_IN_GROUPS) \
    X(group_serves_uncommitted, "a coordinator answers by what may not be committed", DIES_IN_TEST) \
    X(group_takes_any_generation, "a member of an older generation is heard", DIES_IN_TEST) \
    X(group_tells_uncommitted, "assignments are told before they are committed", DIES_IN_GROUPS) \
    X(group_beats_uncommitted, "a member is told what it is to read before that is committed", DIES_IN_GROUPS) \
    X(group_takes_any_epoch, "a member of an older epoch is heard", DIES_IN_GROUPS) \
    X(group_shows_uncommitted, "ConsumerGroupDescribe shows an epoch that is not committed", DIES_IN_TEST) \
    X(group_upgrades_unsettled, "a group is converted while nobody knows what its members have", DIES_IN_TEST) \
    X(group_assigns_twice, "a leader changes an assignment that is being committed", DIES_IN_TEST) \
    X(index_names_next_offset, "index entries are off by one", DIES) \
    X(isr_awaits_an_overtaken_answer, "an ISR change that was overtaken is waited for", DIES_IN_LITE) \
    X(isr_batches_run_out, "ISR changes wait for ever once as many are under way as there may be", DIES_IN_LITE) \
    X(isr_refusal_sets_no_timer, "after a refused ISR change, a leader looks no more", DIES_IN_LITE) \
    X(journal_durable_when_written, "a round is called durable before its sync", DIES) \
    X(journal_ignores_failed_sync, "a failed sync is taken for a good one (fsyncgate)", DIES) \
    X(journal_name_not_synced, "the name of a new journal file is not synced", DIES) \
    X(journal_overwrites_unreleased, "the journal reuses files that are still needed", DIES) \
    X(journal_released_before_checkpoint, "the journal's space is given back before the checkpoint is durable", DIES) \
    X(journal_trusts_frames, "a frame's checksum is not looked at on opening (KAFKA-14104)", DIES) \
    X(journal_trusts_page_cache, "what is read on opening is taken for durable", DIES) \
    X(last_one_forgets_nobody, "a broker that has left stays known when only one node is left", OPEN) \
    X(leader_answers_end_for_unknown_epoch, "an epoch that a leader lacks is taken for a match " \
      "(KIP-279)", DIES_IN_LITE) \
    X(leader_counts_its_memory, "a leader counts what it has in memory as if its disk had it", DIES_IN_LITE) \
    X(leader_counts_what_is_sent, "what was sent to a follower is taken for what it holds", DIES) \
    X(leader_forgets_what_was_deleted, "a new leader shows again what its followers have deleted", DIES_IN_LITE) \
    X(leader_trusts_what_is_gone, "who ends where the leader begins matches, whatever he ends with", OPEN) \
    X(leader_resets_who_was_long_gone, "a follower of an epoch that is remembered no more can use nothing", OPEN) \
    X(leader_resets_whoever_is_empty, "a follower whose records are all deleted goes back to what was", OPEN) \
    X(list_offsets_by_anybody, "a replica that does not lead says where the log ends (KAFKA-8313)", DIES_IN_LITE) \
    X(memory_in_flight_is_added_to, "bytes are added to memory that is being sent", DIES_IN_LITE) \
    X(meta_releases_early, "the metadata journal is released before the snapshot is durable", DIES) \
    X(meta_same_epoch_after_restart, "a broker that restarts leads on in the same epoch -- control: it is the only " \
      "replica, so nobody led meanwhile, and both lives tell one story", LIVES) \
    X(meta_snapshot_name_not_synced, "a snapshot's name is not synced", DIES) \
    X(meta_snapshot_not_synced, "a snapshot is renamed without a sync", DIES) \
    X(new_session_keeps_old_ack, "what a replica held before its stream began anew still counts", DIES_IN_LITE) \
    X(partition_directory_has_no_name, "the name of a new partition's directory is not synced", DIES_IN_LITE) \
    X(peer_link_stays_with_old_process, "a link of a process that is gone keeps out one of the next process", OPEN) \
    X(observers_count, "what an observer holds counts as if a replica in sync held it", DIES_IN_LITE) \
    X(old_promises_count, "acks of a relaxed topic still count when it is relaxed no more", OPEN) \
    X(peer_nameless_links_stay, "nodes of two clusters stay linked if neither had one when they met", OPEN) \
    X(peer_newest_link_stays, "two calls that cross end each other", OPEN) \
    X(peer_replaced_link_is_not_told, "a link that a newer one replaced is not told to be down", OPEN) \
    X(peer_silence_is_nothing, "a link on which nothing comes any more stays for ever", DIES) \
    X(producer_recorded_before_append, "producer state changes before the append succeeded (KAFKA-6683)", DIES) \
    X(producer_remembers_one_batch, "only the last batch of a producer is remembered, not five", DIES) \
    X(read_passes_high_watermark, "a range of a segment passes the high watermark", DIES) \
    X(record_batch_crc_unchecked, "a batch's checksum is not looked at", DIES) \
    X(record_batch_stamp_keeps_crc, "a batch gets another timestamp and keeps its checksum", DIES) \
    X(record_count_unchecked, "a batch says that it has more offsets than records", DIES) \
    X(record_find_time_is_strict, "a lookup by time passes the record of that very time", DIES) \
    X(record_key_unchecked, "a compacted topic takes records without a key", DIES_IN_TEST) \
    X(recovery_does_not_cut, "what lies behind the checkpoint in a segment is left there", DIES) \
    X(removal_without_a_slot_is_due, "files that wait for a slot ask for time", OPEN) \
    X(removed_topic_keeps_its_settings, "settings of a removed topic count for ever", DIES_IN_LITE) \
    X(replay_forgets_deletions, "a log start that only the journal has is lost by a restart", DIES_IN_LITE) \
    X(replay_forgets_producers, "producer state is not rebuilt from the journal", DIES) \
    X(reborn_log_keeps_dying_files, "files that were to go are unlinked when a new life has their names", OPEN) \
    X(segment_sync_failure_ignored, "a segment's failed sync is taken for a good one", DIES) \
    X(segments_dropped_before_start_is_durable, "files go before the new log start offset is durable", DIES) \
    X(snapshot_forgets_last_leader, "a snapshot does not say who led a partition last", DIES_IN_LITE) \
    X(snapshot_forgets_producer_ids, "producer ids are given out again after a snapshot", DIES_IN_LITE) \
    X(snapshot_forgets_wishes, "a snapshot does not say which wishes were applied", OPEN) \
    X(snapshot_index_off_by_one, "a snapshot claims one entry more than it holds (KAFKA-14618)", DIES) \
    X(start_beyond_high_watermark, "DeleteRecords goes beyond the high watermark (KAFKA-5634)", DIES) \
    X(start_shown_early, "a new log start offset is shown before it is durable", DIES) \
    X(start_within_a_segment_drops_it, "a segment goes when the log begins in its middle", DIES_IN_LITE) \
    X(sync_of_a_failed_write_counts, "the sync behind a write without space makes it durable", DIES_IN_LITE) \
    X(terms_outlive_the_settings, "what a topic wants of its records is looked up once and kept", DIES_IN_LITE) \
    X(time_lookup_finds_what_is_deleted, "a lookup by time finds records below the log's start", DIES_IN_LITE) \
    X(timeout_is_success, "a produce request that took too long is answered as if all went well", DIES_IN_LITE) \
    X(stop_asks_while_it_cuts, "a node that stops asks for time while a truncation waits for the disk", OPEN) \
    X(truncated_segment_stays_synced, "what was cut off a segment still counts as synced (redpanda " \
      "9711)", DIES_IN_LITE) \
    X(truncation_keeps_producers, "a retry of what was truncated is taken for a duplicate", DIES_IN_LITE) \
    X(voters_are_told_at_once, "AddRaftVoter is answered before the list is committed (KIP-853)", OPEN) \
    X(watermark_counts_committed_isr, "the high watermark forgets whom it asked to add (KIP-497)", DIES_IN_LITE) \
    X(watermark_rises_below_min_isr, "the high watermark rises below min.insync.replicas " \
      "(KAFKA-15583)", DIES_IN_LITE) \
    X(watermark_takes_old_acks, "acks of an older epoch or session count (KIP-320)", OPEN) \
    X(who_has_left_stays, "a node that is on no member list any more is told that it stays", DIES_IN_TEST) \
    X(who_goes_may_join, "the mark waits for one that is fenced or about to go (KAFKA-15021)", DIES_IN_LITE) \
    X(wish_names_newest_epochs, "a wish names another process than was judged (KAFKA-15221)", OPEN) \
    X(wish_applied_twice, "a change that was proposed twice is made twice", OPEN) \
    X(wish_heeds_old_answers, "a refusal of an earlier asking counts, while a later one is granted", OPEN) \
    X(wish_is_answered_when_proposed, "a change of metadata is answered before it is committed", DIES) \
    X(wish_is_renumbered, "a wish that is asked again is another wish", OPEN) \
    X(wish_marks_outlive_their_term, "a leader remembers what it proposed in another term", OPEN) \
    X(wish_of_another_term, "a leader decides what was asked of another one", DIES) \
    X(wish_overtakes_its_elder, "wishes of one node are decided in another order than it asked", OPEN) \
    X(wish_underway_is_forgotten, "a wish that is under way is decided again when it is asked again", OPEN) \
    X(M56, "a snapshot claims one entry less than it holds, as if its index were kept apart from it " \
      "(etcd 13766)", DIES) \
    X(M67, "a snapshot that is installed gives back the journal it needs (redpanda 3709f810)", OPEN) \
    X(M68, "what an installed snapshot replaces goes before it is durable (RedisLabs d23f390)", OPEN) \
    X(controller_forgets_its_cluster, "a node that starts forgets which cluster it is of", OPEN) \
    X(isr_guards_refuse_in_silence, "an ISR change that comes to nothing is not answered", OPEN) \
    X(isr_takes_stale_broker_epoch, "the ISR takes one that has started anew meanwhile (KIP-903)", DIES_IN_LITE) \
    X(learning_skips_batches, "what producers did in a truncated log is not learned from all of it", OPEN) \
    X(meta_changes_ignore_epochs, "a change of a partition counts, whatever it was decided on", OPEN) \
    X(meta_crashed_remember, "who crashed without a sync is taken for having all (relaxed topics)", DIES_IN_TEST) \
    X(meta_elects_anybody, "who is not in sync is elected", DIES_IN_LITE) \
    X(meta_elr_outlives_min_isr, "the ELR outlives the commits that it lacks (KIP-966)", DIES_IN_LITE) \
    X(meta_fenced_stay_in_isr, "who is fenced stays in the ISR", DIES_IN_LITE) \
    X(meta_forgets_votes, "a vote is not written down", OPEN) \
    X(meta_forgets_what_observers_have, "a partition begins empty, though an observer has its records", DIES_IN_TEST) \
    X(meta_forgets_what_it_owes, "a node that starts does not wait for what it had decided", OPEN) \
    X(meta_min_isr_change_settles_nothing, "a change of min.insync.replicas does not reach partitions", DIES_IN_LITE) \
    X(meta_moves_end_early, "a move ends before its target is in sync", DIES_IN_LITE) \
    X(meta_observers_become_replicas, "who is to observe becomes a replica that counts", DIES_IN_TEST) \
    X(meta_other_disk_leads, "the last leader leads again, with another disk", OPEN) \
    X(meta_recovers_under_its_old_name, "who goes on alone keeps its member id", OPEN) \
    X(meta_restarted_stay_in_isr, "who starts anew stays in the ISR", OPEN) \
    X(meta_same_epoch_without_a_replica, "a replica goes, and the leader epoch stays (KAFKA-16105)", DIES_IN_LITE) \
    X(meta_sets_stay_when_replicas_move, "sets are not moved with the replicas they are of " \
      "(KAFKA-9672)", DIES_IN_LITE) \
    X(meta_unclean_stay_eligible, "who lost what it promised may be elected (KIP-966)", DIES_IN_LITE) \
    X(meta_waits_for_the_lost, "a partition waits for nodes that are registered no more", OPEN) \
    X(meta_who_goes_stays_in_isr, "who shuts down stays in the ISR", DIES_IN_LITE) \
    X(moves_drop_the_last_copy, "a move is begun that leaves nobody who has the records", OPEN) \
    X(node_outlives_its_cluster, "a node whose cluster was recovered without it goes on", DIES_IN_DISASTER) \
    X(recovery_is_told_from_its_beginning, "who joins after a disaster is told what was before it, and takes " \
      "itself for a node of that cluster", DIES_IN_DISASTER) \
    X(registration_believes_any_disk, "a node that comes back with another disk is taken for what it " \
      "was", DIES_IN_LITE) \
    X(snapshot_trusts_bytes, "a snapshot's checksum is not looked at", OPEN) \
    X(upkeep_decides_twice, "upkeep decides on an image that lacks what it decided before", OPEN) \
    X(who_leaves_takes_what_is_under_way, "a broker goes while a topic is being created on it", DIES_IN_TEST) \
    X(wish_is_decided_in_between, "a wish is decided while a record is applied by half", OPEN)
/* clang-format on */

#ifdef CHRONIK_MUTANTS
const struct mutant mutants[] = {
#define X(name, bug, fate) { #name, bug, fate },
    EACH_MUTANT(X)
#undef X
};
const uint32_t mutant_count = sizeof mutants / sizeof mutants[0];

static const char *chosen;
static uint64_t reached;

bool mutant_choose(const char *name)
{
    chosen = NULL;
    for (uint32_t i = 0; name != NULL && i < mutant_count; i++) {
        if (strcmp(mutants[i].name, name) == 0) chosen = mutants[i].name;
    }
    for (uint32_t i = 0; name != NULL && i < raft_mutant_count; i++) {
        if (strcmp(raft_mutants[i].name, name) == 0) chosen = raft_mutants[i].name;
    }
    return name == NULL || chosen != NULL;
}

uint64_t mutant_reached(void)
{
    return reached;
}

bool mutant_active(const char *name)
{
    if (chosen == NULL || strcmp(name, chosen) != 0) return false;
    reached++;
    return true;
}
#else
const struct mutant mutants[1];
const uint32_t mutant_count = 0;

bool mutant_choose(const char *name)
{
    return name == NULL;
}

uint64_t mutant_reached(void)
{
    return 0;
}
#endif
