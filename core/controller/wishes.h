/* wishes.h -- what has this node wished for, whom does it ask, and what became of it?
 *
 * The origin's side of a wish (wish.h). A wish is kept with its body until there is an outcome: it goes to the present
 * leader, again to every new one, and again when a leader says nothing for a while; always as the same wish, so that
 * it is applied once. What was granted shows in the log and nowhere else: its entry carries the answer. This file
 * knows no log and sends nothing; it says what is to be sent.
 *
 *     open --granted: its entry is applied-----------------> done --told, and taken by whoever keeps it--> free
 *       |  --answered: the leader it asked last says so--->
 *       |  --given up: its time is over------------------->
 *       `--to be asked--> asked of a node in a term --a second passes, it says "later", or another leads--> to be asked
 *
 * Invariants, numbered as in wishes_check():
 *   (1) Open wishes lie in [first_open, next), less than WISHES_OPEN_MAX apart.
 *   (2) Every sequence is given once: no two slots have the same.
 *   (3) due_ns is no later than anything that an open wish waits for, while a leader is known. */
#ifndef CHRONIK_CONTROLLER_WISHES_H
#define CHRONIK_CONTROLLER_WISHES_H

#include "controller/wish.h"
#include "meta/wish_window.h"

enum {
    WISHES_OUTER_MAX = 48, /* of clients at a time: what the node itself wishes for always finds a slot */
};

#define WISH_RETRY_NS (1000 * UINT64_C(1000000)) /* a leader that says nothing for so long is asked again */
#define WISH_LATER_NS (50 * UINT64_C(1000000))   /* one that says "later" is asked again after */
#define WISH_NEVER UINT64_MAX

struct wish_slot {
    uint64_t sequence; /* 0: free */
    bool told;         /* that it is done */
    bool kept;         /* somebody is going to ask for the outcome */
    uint8_t kind;
    int16_t version;
    enum wish_verdict verdict; /* WISH_OPEN: none yet */
    uint32_t size;             /* of the body; of the answer when it is done */
    uint32_t attempt;          /* of the last asking, 0: not asked yet */
    uint64_t term;             /* to whose leader that went */
    uint64_t due_ns;           /* when it is to be asked (again) */
    uint64_t deadline_ns;      /* when it is given up */
};

struct wishes {
    int32_t node_id;
    struct uuid incarnation;
    uint32_t size_max;
    int32_t leader_id; /* -1: nobody that we know */
    uint64_t term;
    uint64_t next;
    uint64_t first_open; /* or next, if none is open */
    uint32_t outer_count;
    uint32_t untold_count;
    uint64_t due_ns;
    struct wish_slot slots[WISHES_OPEN_MAX];
    uint8_t *memory; /* [WISHES_OPEN_MAX][size_max] */
};

/* Bytes behind the struct, for bodies and answers of up to `size_max`. */
size_t wishes_memory_size(uint32_t size_max);
void wishes_init(struct wishes *wishes, void *memory, uint32_t size_max, int32_t node_id,
                 const struct uuid *incarnation);

/* ---- wishing ---- */

/* Whether another one of that kind may be opened now. */
bool wishes_have_room(const struct wishes *wishes, uint8_t kind);

/* Opens a wish, due at once; the body is copied. There is room, and the body fits. `kept`: somebody will ask for the
 * outcome, and then forget it; else it is gone when it was told. */
uint64_t wishes_open(struct wishes *wishes, uint8_t kind, int16_t version, struct bytes body, uint64_t deadline_ns,
                     bool kept);

/* One that is open and asks for the same; 0: there is none. */
uint64_t wishes_same(const struct wishes *wishes, uint8_t kind, struct bytes body);

/* WISH_OPEN: not yet. WISH_GIVEN_UP also for one that is not there any more. The answer stays put until it is
 * forgotten. */
enum wish_verdict wishes_outcome(const struct wishes *wishes, uint64_t sequence, struct bytes *answer);

/* Nobody asks for its outcome any more. If it is open it stays so. */
void wishes_forget(struct wishes *wishes, uint64_t sequence);

/* It is given up now: nobody shall be asked any more. Perhaps it was changed, perhaps it will be. */
void wishes_withdraw(struct wishes *wishes, uint64_t sequence);

/* ---- facts ---- */

/* Who leads, in which term; -1: nobody that we know. Another one than before is asked for all that is open. */
void wishes_on_leader(struct wishes *wishes, uint64_t now_ns, int32_t node_id, uint64_t term);

/* The way to this node begins anew: if it leads, what was on its way to it is asked again. */
void wishes_on_link_up(struct wishes *wishes, uint64_t now_ns, int32_t node_id);

/* This asking found no way. It comes again soon. */
void wishes_on_lost(struct wishes *wishes, uint64_t now_ns, uint64_t sequence);

/* What a leader says, or we ourselves if we lead. False: not to the last asking of an open wish of ours. */
bool wishes_on_answer(struct wishes *wishes, uint64_t now_ns, const struct wish_answer *answer);

/* The entry of our own wish is applied. `whole`: all its records were. */
void wishes_on_applied(struct wishes *wishes, uint64_t sequence, struct bytes answer, bool whole);

/* What our own window in the image holds now, after a snapshot took the place of entries. */
void wishes_on_window(struct wishes *wishes, const struct wish_window *window);

void wishes_on_time(struct wishes *wishes, uint64_t now_ns);

/* ---- what is to be done ---- */

/* The next wish that is due to be asked of the leader, who is leader_id; it counts as asked from now on. Its body lies
 * here, and stays put until it is done. False: none. */
bool wishes_next(struct wishes *wishes, uint64_t now_ns, struct wish *wish);

/* The next wish that is done and was not told yet; 0: none. */
uint64_t wishes_next_done(struct wishes *wishes);

/* The body of a wish that is asked in this term, for a decider that keeps no copy. False: it is open no more. */
bool wishes_asked(const struct wishes *wishes, uint64_t sequence, uint64_t term, struct wish *wish);

uint32_t wishes_open_count(const struct wishes *wishes);

uint64_t wishes_deadline_ns(const struct wishes *wishes);

void wishes_check(const struct wishes *wishes);

#endif
