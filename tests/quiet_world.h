#pragma once

/* What a test that hosts a world, and has no judge, need not hear. */
#include "sim/world.h"

void run_on_client(struct world *seen, uint32_t client)
{
    (void)seen, (void)client;
}

void run_on_fault(struct world *seen, uint32_t entry)
{
    (void)seen, (void)entry;
}

void run_on_fault_end(struct world *seen, uint32_t entry, uint32_t machine, uint32_t detail)
{
    (void)seen, (void)entry, (void)machine, (void)detail;
}

void run_on_stepped(struct world *seen, uint32_t machine)
{
    (void)seen, (void)machine;
}

void run_on_start(struct world *seen, uint32_t machine)
{
    (void)seen, (void)machine;
}

void run_on_sync_ignored(struct world *seen, uint32_t machine)
{
    (void)seen, (void)machine;
}

void run_on_written(struct world *seen, uint32_t wire, const void *data, uint32_t size)
{
    (void)seen, (void)wire, (void)data, (void)size;
}
