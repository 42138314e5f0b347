/* dial.h -- the way to another node: which addresses its name has, and which of them answers.
 *
 * Names are looked up by libuv's threads, literals at once. The addresses are tried one after the other until a
 * connection stands; one that does not answer keeps the next one waiting for a moment only. How long all of it may take
 * is for whoever waits: dial_end gives up at any time, and a name whose addresses come later than that has them for the
 * next attempt. What became of it is told to the stream that asked, stream_on_connected or stream_on_unreached, never
 * before dial_begin has returned. */
#ifndef CHRONIK_RUNTIME_DIAL_H
#define CHRONIK_RUNTIME_DIAL_H

#include "base/effect.h"

#include <sys/socket.h>

struct dial;
struct stream;
struct stream_common;

/* NULL: no memory. */
struct dial *dial_begin(struct stream_common *common, struct stream *stream, const struct effect_open_link *order);

/* Nobody waits any more. */
void dial_end(struct dial *dial);

/* Frees what was kept for next attempts. */
void dial_free_late(struct stream_common *common);

/* Small frames leave at once, and a machine that vanished is noticed some day. */
void dial_prepare_socket(int fd);

/* "host:port" of an address. */
void dial_format_peer(const struct sockaddr *address, char *text, size_t size);

#endif
