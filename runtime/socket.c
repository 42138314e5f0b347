#include "socket.h"

#include "log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 }; /* the kernel cuts it to net.core.somaxconn */

const char *address_parse(const char *text, struct address *address)
{
    const bool is_v6 = text[0] == '[';
    const char *host = is_v6 ? text + 1 : text;
    const char *host_end = is_v6 ? strchr(text, ']') : strrchr(text, ':');

    if (host_end == NULL) return is_v6 ? "']' is missing" : "':port' is missing";
    const char *colon = is_v6 ? host_end + 1 : host_end;
    if (*colon != ':') return "':port' is missing";
    const size_t host_size = (size_t)(host_end - host);
    if (host_size == 0) return "the host is missing";
    if (host_size >= sizeof address->host) return "the host is too long";
    if (!is_v6 && memchr(host, ':', host_size) != NULL) return "an IPv6 host needs brackets: [::1]:9092";
    for (size_t i = 0; i < host_size; i++) {
        if ((unsigned char)host[i] <= ' ' || (unsigned char)host[i] >= 0x7f)
            return "the host has a character that no host has";
    }

    uint32_t port = 0;
    if (colon[1] == 0) return "the port is missing";
    for (const char *digit = colon + 1; *digit != 0; digit++) {
        if (*digit < '0' || *digit > '9') return "the port is not a number";
        port = port * 10 + (uint32_t)(*digit - '0');
        if (port > 65535) return "the port is above 65535";
    }
    memset(address, 0, sizeof *address);
    memcpy(address->host, host, host_size);
    address->port = (uint16_t)port;
    return NULL;
}

const char *seed_parse(const char *text, struct seed_node *seed)
{
    const char *at = strchr(text, '@');
    uint64_t id = 0;

    if (at == NULL) return "'id@' is missing";
    for (const char *digit = text; digit < at; digit++) {
        if (*digit < '0' || *digit > '9') return "the id is not a number";
        id = id * 10 + (uint64_t)(*digit - '0');
        if (id > INT32_MAX) return "the id is above 2147483647";
    }
    if (id == 0) return at == text ? "the id is missing" : "the id is 0";
    const char *wrong = address_parse(at + 1, &seed->address);
    if (wrong == NULL && seed->address.port == 0) wrong = "the port is 0";
    seed->node_id = (int32_t)id;
    return wrong;
}

const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE])
{
    const bool is_v6 = strchr(address->host, ':') != NULL;

    snprintf(text, ADDRESS_TEXT_SIZE, is_v6 ? "[%s]:%u" : "%s:%u", address->host, address->port);
    return text;
}

static int bind_one(const struct addrinfo *info)
{
    const int one = 1;
    const int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, info->ai_protocol);

    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int socket_listen(const char *name, const struct address *address, uint16_t *port)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *infos = NULL;
    char service[8], text[ADDRESS_TEXT_SIZE];

    snprintf(service, sizeof service, "%u", address->port);
    const int status = getaddrinfo(address->host, service, &hints, &infos);
    if (status != 0) {
        log_line(NOTE_ERROR, "listen", "cannot listen on %s (--%s-addr): %s", address_format(address, text), name,
                 gai_strerror(status));
        return -1;
    }
    int fd = -1;
    for (const struct addrinfo *info = infos; info != NULL && fd < 0; info = info->ai_next) fd = bind_one(info);
    const int error = errno;
    freeaddrinfo(infos);
    if (fd < 0) {
        log_line(NOTE_ERROR, "listen", "cannot listen on %s (--%s-addr): %s", address_format(address, text), name,
                 strerror(error));
        return -1;
    }

    struct sockaddr_storage bound = { .ss_family = AF_UNSPEC };
    socklen_t size = sizeof bound;
    getsockname(fd, (struct sockaddr *)&bound, &size);
    *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                              : ((struct sockaddr_in *)&bound)->sin_port);
    return fd;
}

/* The first address of a running interface that is neither loopback nor link-local. */
static bool own_address(int family, char *host, size_t size)
{
    struct ifaddrs *list = NULL;
    bool found = false;

    if (getifaddrs(&list) != 0) return false;
    for (const struct ifaddrs *at = list; at != NULL && !found; at = at->ifa_next) {
        if (at->ifa_addr == NULL || at->ifa_addr->sa_family != family) continue;
        if ((at->ifa_flags & IFF_UP) == 0 || (at->ifa_flags & IFF_LOOPBACK) != 0) continue;
        if (family == AF_INET) {
            found = inet_ntop(family, &((struct sockaddr_in *)at->ifa_addr)->sin_addr, host, (socklen_t)size) != NULL;
        } else {
            const struct in6_addr *in6 = &((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr;
            found = !IN6_IS_ADDR_LINKLOCAL(in6) && inet_ntop(family, in6, host, (socklen_t)size) != NULL;
        }
    }
    freeifaddrs(list);
    return found;
}

bool address_guess(const struct address *bound, struct address *advertised)
{
    *advertised = *bound;
    if (strcmp(bound->host, "0.0.0.0") != 0 && strcmp(bound->host, "::") != 0) return false;

    if (own_address(AF_INET, advertised->host, sizeof advertised->host)) return true;
    if (strcmp(bound->host, "::") == 0 && own_address(AF_INET6, advertised->host, sizeof advertised->host)) return true;
    if (gethostname(advertised->host, sizeof advertised->host) == 0 && advertised->host[0] != 0) return true;
    memcpy(advertised->host, "localhost", sizeof "localhost");
    return true;
}
