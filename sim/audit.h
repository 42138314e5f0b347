/* audit.h -- are the files of a node that stopped cleanly what Kafka's own tools would take them for?
 *
 * Segments: named by their first offset, whole batches, checksums right, no gap within or between them. Every entry of
 * .index names the last offset of the batch at its position; every one of .timeindex a timestamp that no record up to
 * its offset exceeds and one has. Entries rise. And what was committed is the same on all disks. */
#ifndef CHRONIK_SIM_AUDIT_H
#define CHRONIK_SIM_AUDIT_H

#include "sim/disk.h"
#include "sim/plane.h"

void audit_files(const struct disk *disk, uint32_t machine, struct judge *judge, struct plane *plane);

#endif
