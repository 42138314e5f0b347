/* effect.h -- what a node may order, and what the world may answer: the two lists that cross its border.
 *
 * Everything here is about links and files; what the bytes mean is for higher floors. node.h has the laws.
 *
 * | order                | answer                                                                              |
 * |----------------------|-------------------------------------------------------------------------------------|
 * | EFFECT_OPEN_LINK     | EVENT_LINK_OPENED, or EVENT_LINK_CLOSED                                             |
 * | EFFECT_RECEIVE       | EVENT_RECEIVED, or EVENT_LINK_CLOSED                                                |
 * | EFFECT_SEND          | EVENT_SENT, or EVENT_LINK_CLOSED                                                    |
 * | EFFECT_CLOSE_LINK    | EVENT_LINK_CLOSED                                                                   |
 * | EFFECT_WRITE         | EVENT_WRITTEN                                                                       |
 * | EFFECT_SYNC          | EVENT_SYNCED                                                                        |
 * | EFFECT_READ          | EVENT_READ_DONE                                                                     |
 * | EFFECT_FILE          | EVENT_FILE_DONE                                                                     |
 * | EFFECT_NOTE          | none                                                                                |
 * | EFFECT_HALT          | none: the node is not stepped again                                                 |
 *
 * Order. Orders for one path are carried out in the order in which they were given, and a sync covers every write
 * ordered before it on its path. Nothing else is promised: whoever needs two paths in order waits for the answer.
 *
 * Link numbers come in three dense ranges, whose sizes are the config's: [0, links_max) for clients, the next
 * peer_links_max for what other nodes dialed (the host gives both), and the last peer_links_max for what this node
 * dials (the core gives these, with EFFECT_OPEN_LINK). */
#ifndef CHRONIK_BASE_EFFECT_H
#define CHRONIK_BASE_EFFECT_H

#include "base/bytes.h"
#include "base/note.h"

enum {
    EFFECTS_MAX = 512,   /* orders of one step; who would order more leaves the rest for a deadline that is due */
    PATH_SIZE_MAX = 384, /* a path with its terminator: topic names have up to 249 characters */
};

enum effect_type {
    EFFECT_OPEN_LINK,
    EFFECT_RECEIVE,
    EFFECT_SEND,
    EFFECT_CLOSE_LINK,
    EFFECT_WRITE,
    EFFECT_SYNC,
    EFFECT_READ,
    EFFECT_FILE,
    EFFECT_NOTE,
    EFFECT_HALT,
};

/* A part of what is sent or written: `size` bytes in memory, or (only when sent) in a file. */
struct piece {
    const uint8_t *data; /* NULL: the bytes lie in `path` from `position` on */
    const char *path;
    uint64_t position;
    uint32_t size;
};

/* Which of its doors a link came in by; of one that we dial, which of another node's. */
enum listener {
    LISTENER_KAFKA,    /* clients */
    LISTENER_OPERATOR, /* the host itself, which carries an operator's orders in a client's frames; a client's number */
    LISTENER_NODE,     /* other nodes: control */
    LISTENER_WAL,      /* other nodes: message data */
};

/* Dial another node. The number is of the range for dialed links and not in use; it is in use from here to
 * EVENT_LINK_CLOSED, which also tells that nobody could be reached. The host tries as long as its network does: who has
 * waited enough orders EFFECT_CLOSE_LINK, in a later step; it may open all the same before it closes. */
struct effect_open_link {
    uint32_t link;
    enum listener at; /* comes back with EVENT_LINK_OPENED */
    uint16_t port;
    const char *host; /* a name or a literal; stays put until the answer */
};

/* Take what has come on a link, as soon as something has: at most `size` bytes. One is outstanding per link. Where
 * none is, the host does not read: so a link is slowed down by saying nothing. */
struct effect_receive {
    uint32_t link;
    uint8_t *into; /* NULL: the host lends memory of its own with the event, until the step returns */
    uint32_t size;
};

/* Send the pieces in order. One is outstanding per link; the pieces and what they point to stay put until then. */
struct effect_send {
    uint32_t link;
    uint32_t piece_count;
    const struct piece *pieces;
};

struct effect_close_link {
    uint32_t link;
};

/* Paths are relative to the data directory, with '/' between parts; they stay put until the answer. `op` comes back
 * with the answer; its highest byte names the room that waits (enum op_owner). `urgent`: somebody waits for it, so it
 * goes past what is written behind; a path is always urgent or never. */
struct effect_write {
    uint64_t op;
    const char *path; /* created if missing, in a directory that exists */
    uint64_t position;
    const struct piece *pieces; /* in memory, all of them */
    uint32_t piece_count;
    bool urgent;
};

struct effect_sync {
    uint64_t op;
    const char *path; /* a file */
    bool urgent;
};

struct effect_read {
    uint64_t op;
    const char *path;
    uint64_t position;
    uint8_t *into;
    uint32_t size;
};

enum file_action {
    FILE_MAKE_DIRECTORY, /* with its parents; fine if it is there */
    FILE_TRUNCATE,       /* to `size` bytes; growing fills with zeros */
    FILE_RENAME,         /* `path` to `to`, replacing it atomically */
    FILE_UNLINK,         /* a file, or an empty directory */
    FILE_SYNC_DIRECTORY, /* makes the names in directory `path` durable */
    FILE_LIST,           /* names in directory `path` that sort after `to`, into `into`; see struct file_entry */
};

struct effect_file {
    uint64_t op;
    enum file_action action;
    const char *path;
    const char *to; /* FILE_RENAME: the new path; FILE_LIST: the last name already seen, "" at first */
    uint64_t size;  /* FILE_TRUNCATE: bytes; FILE_LIST: what `into` holds */
    uint8_t *into;  /* FILE_LIST */
};

/* FILE_LIST fills `into` with as many entries as fit, in the byte order of their names, each packed as
 *     u64 size | u8 is_directory | u16 name_size | name
 * The event's `size` is what was filled; `more` says that further names exist. */
enum { FILE_ENTRY_HEAD_SIZE = 11 };

enum halt_reason {
    HALT_STOPPED,     /* asked to, and all is on disk */
    HALT_DISK_FAILED, /* a write or sync failed: nothing can be promised any more */
    HALT_DISK_FULL,   /* no room to recover in */
    HALT_CORRUPT,     /* durable data is not what we wrote; going on would lose more */
    HALT_FOREIGN,     /* the data belongs to another node, cluster or format */
    HALT_PROMOTED,    /* asked to go on alone, and stopped for that: to be started with `recovers`, and then again */
    HALT_OUTLIVED,    /* its cluster was recovered without it; only with an empty data directory it may come back */
    HALT_FORGOT,  /* the disk lacks what this node acknowledged; only with an empty data directory it may come back */
    HALT_REMOVED, /* the cluster has removed this node; only with an empty data directory it may come back */
};

struct effect_halt {
    enum halt_reason reason;
    const char *path; /* where it showed, or NULL */
};

struct effect {
    enum effect_type type;
    union {
        struct effect_open_link open_link;
        struct effect_receive receive;
        struct effect_send send;
        struct effect_close_link close_link;
        struct effect_write write;
        struct effect_sync sync;
        struct effect_read read;
        struct effect_file file;
        struct note note;
        struct effect_halt halt;
    };
};

struct effects {
    uint32_t count;
    uint32_t notes_dropped; /* notes that found no room; they never crowd out an order */
    struct effect list[EFFECTS_MAX];
};

/* How many orders may still be given in this step. A room asks before it begins what needs several. */
static inline uint32_t effects_space(const struct effects *effects)
{
    return EFFECTS_MAX - effects->count;
}

/* The next order, its type set and the rest zero. The caller has seen to it that there is space. */
struct effect *effects_add(struct effects *effects, enum effect_type type);

/* ---- the facts ---- */

enum event_type {
    EVENT_STARTED,     /* first of all, and once */
    EVENT_TIME_PASSED, /* the deadline that the node named is here */
    EVENT_LINK_OPENED,
    EVENT_LINK_CLOSED, /* also answers what is outstanding on it, whatever it is; the number may come again */
    EVENT_RECEIVED,
    EVENT_SENT,
    EVENT_WRITTEN,
    EVENT_SYNCED,
    EVENT_READ_DONE,
    EVENT_FILE_DONE,
    EVENT_STOP_ASKED, /* finish what was promised, flush, and order EFFECT_HALT with HALT_STOPPED */
};

struct event_link_opened {
    uint32_t link; /* not in use; of the range of its listener, or the one that was to be dialed */
    enum listener listener;
    struct bytes peer; /* "host:port", for notes and DescribeGroups; lent until the step returns */
};

struct event_link_closed {
    uint32_t link;
    bool refused; /* answers OPEN_LINK: the machine was reached, and nobody listens at that port */
};

struct event_received {
    uint32_t link;
    uint32_t size;       /* at least 1 */
    const uint8_t *data; /* `into` of the order, or lent until the step returns */
};

struct event_sent {
    uint32_t link;
};

enum disk_result {
    DISK_DONE,
    DISK_NOT_FOUND, /* no such path */
    DISK_FULL,      /* no space or no more inodes; what was to be written is undefined, and may be written again */
    DISK_FAILED,    /* anything else. After a failed sync nothing on that path may be believed, and none is retried */
};

/* Answers WRITE, SYNC, READ and FILE; `type` says which. */
struct event_disk {
    uint64_t op;
    enum disk_result result;
    bool more;     /* FILE_LIST */
    uint32_t size; /* READ: bytes read, less than asked only at the end of the file; FILE_LIST: bytes filled */
};

struct event {
    enum event_type type;
    uint64_t mono_ns; /* never steps back; the only clock that protocols see */
    int64_t wall_ms;  /* since 1970, may jump; only for record timestamps and retention */
    union {
        struct event_link_opened link_opened;
        struct event_link_closed link_closed;
        struct event_received received;
        struct event_sent sent;
        struct event_disk disk;
    };
};

/* A host tells what came in on links one by one, and what time it is after all of that. */
static inline bool event_is_of_link(const struct event *event)
{
    return event->type == EVENT_LINK_OPENED || event->type == EVENT_LINK_CLOSED || event->type == EVENT_RECEIVED ||
           event->type == EVENT_SENT;
}

/* Which room gave a disk order: the highest byte of `op`. The rest is the room's own. */
enum op_owner {
    OP_JOURNAL = 1, /* wal/: the message journal */
    OP_META_JOURNAL,
    OP_META, /* controller/: metadata snapshots */
    OP_LOGS,
    OP_REPLICAS, /* replica/: segments that are read for followers */
    OP_GROUPS,   /* group/: segments of __consumer_offsets */
};

static inline uint64_t op_make(enum op_owner owner, uint64_t rest)
{
    return (uint64_t)owner << 56 | rest;
}

static inline enum op_owner op_owner(uint64_t op)
{
    return (enum op_owner)(op >> 56);
}

#endif
