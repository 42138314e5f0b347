/* note.h -- what a node says about itself: one call is a line for people, a counter for metrics, a mark for tests.
 *
 * A note is data. Hosts format it; core never builds a string. Up to four numbers and one text fill the `%d` and `%s`
 * of its format in order; the text is lent until the step returns. */
#ifndef CHRONIK_BASE_NOTE_H
#define CHRONIK_BASE_NOTE_H

#include "base/bytes.h"

enum note_level { NOTE_DEBUG, NOTE_INFO, NOTE_WARNING, NOTE_ERROR };

/* One list for the whole node, so that a number means the same in every log and every trace. Each room adds its own.
 *    name, level, what people read */
#define NOTES(X)                                                                                                       \
    X(STARTED, NOTE_INFO, "node %d started: %d topics, %d partitions, metadata index %d")                              \
    X(RECOVERED, NOTE_INFO, "recovered %d journal rounds, %d batches, clean shutdown: %d")                             \
    X(STOPPING, NOTE_INFO, "stopping: finishing %d requests")                                                          \
    X(STOPPED, NOTE_INFO, "stopped; everything acknowledged is on disk")                                               \
    NOTES_WAL(X)                                                                                                       \
    NOTES_PEER(X)                                                                                                      \
    NOTES_LOG(X)                                                                                                       \
    NOTES_REPLICA(X)                                                                                                   \
    NOTES_META(X)                                                                                                      \
    NOTES_GROUP(X)                                                                                                     \
    NOTES_BROKER(X)

#define NOTES_WAL(X)                                                                                                   \
    X(JOURNAL_ROLLED, NOTE_DEBUG, "journal goes on in file %d at sequence %d")                                         \
    X(JOURNAL_TORN, NOTE_DEBUG, "journal ends before sequence %d: in file %d at position %d")                          \
    X(JOURNAL_FULL, NOTE_ERROR, "no space to write the journal: produces are refused until there is")                  \
    X(JOURNAL_RETRIED, NOTE_DEBUG, "journal round %d is written again")                                                \
    X(JOURNAL_CORRUPT, NOTE_ERROR, "journal file %d is corrupt at position %d: sequence %d was durable")

#define NOTES_PEER(X)                                                                                                  \
    X(PEER_UP, NOTE_INFO, "node %d is linked")                                                                         \
    X(PEER_DOWN, NOTE_INFO, "the link to node %d is down: %s")                                                         \
    X(PEER_DATA_UP, NOTE_DEBUG, "node %d is linked for data, outgoing: %d")                                            \
    X(PEER_DATA_DOWN, NOTE_DEBUG, "a data link to node %d is down: %s")                                                \
    X(PEER_BROKEN, NOTE_WARNING, "the link to node %d was closed: what it sent is no frame")                           \
    X(PEER_UNREACHED, NOTE_WARNING, "node %d cannot be reached: %s")                                                   \
    X(PEER_REFUSED_US, NOTE_WARNING, "node %d takes no link from this node: %s")                                       \
    X(PEER_TURNED_AWAY, NOTE_WARNING, "node %d called, and was turned away: %s")                                       \
    X(PEER_STRANGER, NOTE_WARNING, "connection from %s closed: who called is no node of a cluster")

#define NOTES_LOG(X)                                                                                                   \
    X(SEGMENT_ROLLED, NOTE_DEBUG, "log %d rolls a new segment at offset %d")                                           \
    X(SEGMENT_DELETED, NOTE_INFO, "log %d drops its segment at offset %d, log start offset is %d")                     \
    X(COMPACTED, NOTE_DEBUG, "log %d is compacted from offset %d on: of %d bytes, %d are left")                        \
    X(COMPACTION_FAILED, NOTE_WARNING, "log %d is not compacted, at offset %d: reason %d")                             \
    X(LOG_DISK_FULL, NOTE_ERROR, "no space to write segments: produces are refused until there is")                    \
    X(LOG_DISK_RELIEVED, NOTE_INFO, "segments have space again")                                                       \
    X(PRODUCERS_FORGOTTEN, NOTE_WARNING,                                                                               \
      "%d idempotent producers were forgotten before their time: there is room for %d, and others write to replicas "  \
      "here")

#define NOTES_REPLICA(X)                                                                                               \
    X(REPLICA_OFFLINE, NOTE_ERROR,                                                                                     \
      "log %d ends at offset %d, is committed up to %d, and does not fit to its leader, node %d: left as it is")       \
    X(REPLICA_IMPOSSIBLE, NOTE_WARNING, "node %d says that it holds what it was never sent: up to offset %d of log %d")

#define NOTES_META(X)                                                                                                  \
    X(BECAME_LEADER, NOTE_INFO, "metadata leader in term %d at index %d, voters: %d")                                  \
    X(RAFT_FOLLOWING, NOTE_INFO, "metadata leader is node %d, in term %d")                                             \
    X(RAFT_LEADER_LOST, NOTE_INFO, "metadata leader node %d of term %d is lost")                                       \
    X(RAFT_CANDIDATE, NOTE_INFO, "stands for metadata leader in term %d")                                              \
    X(RAFT_VOTED, NOTE_DEBUG, "votes for node %d as metadata leader of term %d")                                       \
    X(RAFT_STEPPED_DOWN, NOTE_INFO, "no metadata leader any more: term %d is over")                                    \
    X(RAFT_QUORUM_LOST, NOTE_WARNING, "too few voters answer the metadata leader of term %d: it gives up")             \
    X(RAFT_MEMBERS, NOTE_INFO, "the member list at metadata index %d holds: %d nodes")                                 \
    X(CLUSTER_MODE, NOTE_INFO, "Transitioning from single-node to cluster mode: %d nodes")                             \
    X(SINGLE_NODE_MODE, NOTE_INFO, "Transitioning from cluster to single-node mode: this node is the only one left")   \
    X(RAFT_TRUNCATED, NOTE_DEBUG, "metadata entries %d to %d were never committed, and are dropped")                   \
    X(RAFT_SNAPSHOT_SENDING, NOTE_INFO, "metadata snapshot at index %d goes to node %d, which was left behind")        \
    X(RAFT_SNAPSHOT_INSTALLED, NOTE_INFO, "metadata snapshot at index %d came from node %d")                           \
    X(RAFT_SNAPSHOT_REFUSED, NOTE_WARNING, "metadata snapshot at index %d from node %d came damaged")                  \
    X(RAFT_SNAPSHOT_TOO_LARGE, NOTE_ERROR, "metadata snapshot at index %d has %d bytes: more than this node's limits") \
    X(RAFT_TRANSFER, NOTE_INFO, "metadata leadership is handed to node %d in term %d")                                 \
    X(RAFT_TRANSFER_FAILED, NOTE_WARNING, "node %d did not take over metadata leadership of term %d")                  \
    X(RAFT_IMPOSSIBLE, NOTE_WARNING, "node %d says what cannot be, in a metadata message of kind %d")                  \
    X(RAFT_FORGOT, NOTE_ERROR,                                                                                         \
      "node %d lacks metadata entries, up to %d, that it had acknowledged: its disk is an older copy of what it was. " \
      "It counts no more, stops, and may join again with an empty data directory")                                     \
    X(RAFT_TRAIL_FULL, NOTE_WARNING, "no room for metadata entry %d until a snapshot is taken")                        \
    X(META_SNAPSHOT, NOTE_DEBUG, "metadata snapshot at index %d: %d bytes")                                            \
    X(BROKER_SILENT, NOTE_WARNING, "node %d is silent: its broker of epoch %d is fenced")                              \
    X(MEMBER_TWICE, NOTE_WARNING, "node %d asks to join, but a node with that id and other data is alive: refused")    \
    X(MEMBER_GONE, NOTE_INFO, "node %d came back, but was removed from the cluster")                                   \
    X(JOIN_REFUSED, NOTE_ERROR, "node %d leads a cluster in which another node with our id is alive: waiting")         \
    X(JOIN_NO_ROOM, NOTE_ERROR, "node %d leads a cluster that has no room for another node: waiting")                  \
    X(REMOVED, NOTE_INFO, "node %d was removed from the cluster: it stops")                                            \
    X(OUTLIVED, NOTE_ERROR,                                                                                            \
      "node %d belongs to this node's cluster as it was recovered, without this node: its data is not wanted any "     \
      "more")                                                                                                          \
    X(OUTLIVED_CALLS, NOTE_WARNING,                                                                                    \
      "node %d is of this cluster as it was before it was recovered: it may join with an empty data directory")        \
    X(RECOVERED_APART, NOTE_ERROR,                                                                                     \
      "node %d is of this cluster, and was recovered apart from it: one of them has to go")                            \
    X(PROMOTED, NOTE_WARNING, "node %d was ordered to go on alone: it stops to take the cluster for itself")           \
    X(PROMOTED_WHOLE, NOTE_INFO,                                                                                       \
      "node %d goes on alone: it has all that was committed when leaders of partitions were heard last, up to %d ms "  \
      "ago")                                                                                                           \
    X(PROMOTED_LACKING, NOTE_WARNING,                                                                                  \
      "node %d goes on alone: %d partitions lacked %d committed records when their leaders were heard last, up to %d " \
      "ms ago; these are lost, and what was acknowledged since")                                                       \
    X(CLUSTER_RECOVERED, NOTE_WARNING,                                                                                 \
      "node %d is the only member of its cluster now: what only others had is lost; recovery number %d")               \
    X(FOUNDED_TWICE, NOTE_ERROR,                                                                                       \
      "node %d belongs to a cluster that knows this node: its data is gone, and it must join with seed_nodes set")     \
    X(CLUSTER_CREATED, NOTE_INFO, "new cluster, node %d is its only voter")                                            \
    X(TOPIC_CREATED, NOTE_INFO, "topic created: %s, partitions: %d")                                                   \
    X(TOPIC_DELETED, NOTE_INFO, "topic deleted: %s")                                                                   \
    X(BROKER_UNCLEAN, NOTE_WARNING,                                                                                    \
      "node %d came back without what it promised to hold: its disk knows broker epoch %d, and it was relied on "      \
      "since")                                                                                                         \
    X(LEADER_UNCLEAN, NOTE_WARNING,                                                                                    \
      "partition %d of %s is led by node %d from leader epoch %d on, uncleanly: committed records may be lost")

#define NOTES_GROUP(X)                                                                                                 \
    X(GROUPS_UNREADABLE, NOTE_ERROR,                                                                                   \
      "partition %d of __consumer_offsets cannot be read at offset %d, or has more than this node has room for: its "  \
      "groups are not served")

#define NOTES_BROKER(X)                                                                                                \
    X(VERSION_REFUSED, NOTE_WARNING, "connection %d closed: api key %d version %d is not served")                      \
    X(FRAME_REFUSED, NOTE_WARNING, "connection %d closed: frame of %d bytes is not a request")                         \
    X(REQUEST_MALFORMED, NOTE_WARNING, "connection %d closed: malformed body of api key %d version %d")                \
    X(ANSWER_TOO_LARGE, NOTE_WARNING, "connection %d closed: no memory can hold the answer to api key %d")             \
    X(PRODUCE_REFUSED, NOTE_DEBUG, "connection %d closed: error %d has no other way to a producer with acks=0")        \
    X(LINK_STALLED, NOTE_WARNING, "connection %d closed: it stalled in the middle of a request or an answer")          \
    X(LINK_IDLE, NOTE_DEBUG, "connection %d closed: idle for connections.max.idle.ms")

#define NOTE_ENUM(name, level, format) NOTE_##name,
enum note_id { NOTES(NOTE_ENUM) NOTE_COUNT };
#undef NOTE_ENUM

struct note {
    enum note_id id;
    int64_t numbers[4];
    struct bytes text;
};

struct effects;
void note_add(struct effects *effects, const struct note *note);

#define NOTE(effects, name, ...) note_add((effects), &(struct note){ .id = NOTE_##name, .numbers = { __VA_ARGS__ } })
#define NOTE_TEXT(effects, name, said, ...)                                                                            \
    note_add((effects), &(struct note){ .id = NOTE_##name, .text = (said), .numbers = { __VA_ARGS__ } })

#endif
