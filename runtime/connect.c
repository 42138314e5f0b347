#include "connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int connect_to(const char *host, uint16_t port, unsigned patience_s, const char **why)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    const struct timeval patience = { .tv_sec = patience_s };
    const int at_once = 1;
    struct addrinfo *addresses;
    char service[8];
    int fd = -1;

    snprintf(service, sizeof service, "%u", port);
    *why = "no address";
    const int error = getaddrinfo(host, service, &hints, &addresses);
    if (error != 0) {
        *why = gai_strerror(error);
        return -1;
    }
    for (const struct addrinfo *at = addresses; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) break;
        *why = errno == EINPROGRESS ? "it does not answer" : strerror(errno);
        close(fd);
        fd = -1;
    }
    freeaddrinfo(addresses);
    return fd;
}
