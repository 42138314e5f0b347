/* trace.h -- events and orders as lines for people: time, machine, < an event or > an order or a note between. */
#ifndef CHRONIK_SIM_TRACE_H
#define CHRONIK_SIM_TRACE_H

#include "base/effect.h"

#include <stdio.h>

void trace_event(FILE *file, uint64_t now_ns, uint32_t machine, const struct event *event);
void trace_orders(FILE *file, uint64_t now_ns, uint32_t machine, const struct effects *effects);

#endif
