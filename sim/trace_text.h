/* trace_text.h -- a run as text, a line per event: what a node was told and ordered, and how every node stands then.
 *
 *       event       time node what                        partition isr   | n1            | n2
 *         812   1.234567 n2   received 84: data of n1   topic-0-1  1,2  | L3   41 12/14* | F3   41 12/13
 *
 * Of each node: its role in the metadata group (L leads, F follows, C stands for leader; s starts, x is down, ! ended
 * itself), term, commit index; and of the partition that changed last high watermark and log end offset there,
 * with a star where it is led from. */
#ifndef CHRONIK_SIM_TRACE_TEXT_H
#define CHRONIK_SIM_TRACE_TEXT_H

#include "sim/tape.h"

/* The event that is over. */
void trace_text_event(struct tape *tape);

/* Something that is not of one event. */
void trace_text_line(struct tape *tape, const char *text);

#endif
