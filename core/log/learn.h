/* learn.h -- what have a log's producers done? Its batches say so.
 *
 * What is known of a producer is its last few batches (producers.h). Where a log was cut off so far back that these are
 * gone, the ones before them are looked up in the log itself: its batches are read from the first on, heads only, a
 * piece at a time, until what is known is what the log says. Appends go on meanwhile and are read in their turn. A log
 * that is still learning cannot tell a duplicate, so nobody may lead it yet.
 *
 * Where batches cannot be read any more, what was learnt before them is forgotten: of a producer that is not known any
 * sequence is accepted, of one that is known only the next. */
#ifndef CHRONIK_LOG_LEARN_H
#define CHRONIK_LOG_LEARN_H

#include "log/state.h"

/* The log is to be read from its start. */
void learn_begin(struct logs *logs, uint32_t log);

/* The log has a new end. */
void learn_cut_log(struct logs *logs, uint32_t log);

/* The log has no record any more, or is deleted: there is nothing to learn. */
void learn_forget_log(struct logs *logs, uint32_t log);

void learn_work(struct logs *logs, struct effects *effects);

/* An answer for a lookup that wants LOOKUP_PRODUCERS. True when it is over. */
bool learn_on_disk(struct logs *logs, struct lookup *lookup, const struct event_disk *disk, struct effects *effects);

#endif
