/* main.c -- chronik-server: what was typed, and what the process ends with. */
#include "base/check.h"
#include "cluster_command.h"
#include "report.h"
#include "runtime/client/commands.h"
#include "server.h"
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    log_line(NOTE_ERROR, "check", "%s:%d: CHECK(%s): this is a mistake of ours; the next start recovers", file, line,
             what);
    abort();
}

static void print_usage(FILE *file)
{
    fputs("chronik-server -- a streaming server that speaks Kafka\n"
          "\n"
          "  chronik-server start [FLAG VALUE]...   start a node; data is kept in ./data\n"
          "  chronik-server standalone [...]        the same, for a node that stays alone\n"
          "  chronik-server cluster [...]           the same, for a node of a cluster\n"
          "  chronik-server cluster recover [...]   most nodes are lost for ever: this one goes on alone\n"
          "  chronik-server cluster help            questions and orders to a running node\n"
          "  chronik-server topic help              topics: made, looked at, written and read, at any broker\n"
          "  chronik-server group help              consumer groups: members, lag, offsets, at any broker\n"
          "  chronik-server completion SHELL        for bash, zsh or fish; chronik-server man: the manual's page\n"
          "  chronik-server version\n"
          "  chronik-server start --help            all flags, with their defaults\n"
          "\n"
          "Try it:\n"
          "  chronik-server start &\n"
          "  echo hello | kcat -b localhost:9092 -t greetings -P\n"
          "  kcat -b localhost:9092 -t greetings -C -e\n"
          "  curl http://localhost:8080/admin/status\n",
          file);
}

static void print_flags(void)
{
    puts("chronik-server start [FLAG VALUE]...\n"
         "\n"
         "Every flag has a key in the file and a variable: --kafka-addr is kafka_addr under [server], and\n"
         "CHRONIK_KAFKA_ADDR. The command line wins over variables, and these over the file, which is the one\n"
         "named by --config FILE, or ./chronik.toml, or /etc/chronik/chronik.toml.");
    settings_print(stdout);
    puts("\nExit codes: 0 stopped, 1 cannot start, 2 usage or config, 3 disk failed, 4 disk full, 5 data corrupt,\n"
         "6 data of another node or format, 7 no member of its cluster any more, 130 stopped by a second signal.");
}

/* What the command itself says of the cluster. */
enum command { COMMAND_START, COMMAND_STANDALONE, COMMAND_CLUSTER, COMMAND_RECOVER };

/* The cluster goes on with this node alone. Nobody has to find it for that, so it needs no addresses. */
static enum exit_code recover(const struct settings *given)
{
    static struct settings settings;
    char path[sizeof settings.data_dir + sizeof "/wal/__meta"];

    settings = *given;
    settings.node.recovers = true;
    settings.node.cluster_enabled = true;
    settings_complete(&settings);
    if (settings.node.node_address.host[0] == 0) settings.node.node_address = (struct address){ "localhost", 9093 };
    if (settings.node.wal_address.host[0] == 0) settings.node.wal_address = (struct address){ "localhost", 9291 };
    if (settings.node.advertised_kafka.host[0] == 0) settings.node.advertised_kafka = settings.kafka;
    snprintf(path, sizeof path, "%s/wal/__meta", settings.data_dir);
    if (access(path, F_OK) != 0) {
        fprintf(stderr, "chronik-server: nothing to recover: %s: %s\n", path, strerror(errno));
        return EXIT_CANNOT_START;
    }
    return server_run(&settings);
}

static int run(const struct settings *settings)
{
    enum exit_code code;

    while ((code = server_run(settings)) == EXIT_PROMOTED) {
        code = recover(settings);
        if (code != EXIT_STOPPED) break;
    }
    return (int)code;
}

static int start(enum command command, char *const *arguments)
{
    static const char *const files[] = { "./chronik.toml", "/etc/chronik/chronik.toml", NULL };
    const struct settings_sources sources = { arguments, environ, files };
    static struct settings settings;
    char error[SETTINGS_ERROR_SIZE];

    settings_init(&settings);
    switch (settings_read(&settings, &sources, error)) {
    case SETTINGS_HELP:
        if (command == COMMAND_RECOVER) cluster_command_print_recover();
        else print_flags();
        return EXIT_STOPPED;
    case SETTINGS_WRONG: fprintf(stderr, "chronik-server: %s\n", error); return EXIT_USAGE;
    case SETTINGS_READ: break;
    }
    log_set(settings.log_level, settings.log_format);
    if (command == COMMAND_RECOVER) return (int)recover(&settings);
    if (command != COMMAND_START) settings.node.cluster_enabled = command == COMMAND_CLUSTER;
    settings_complete(&settings);
    return run(&settings);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (strcmp(command, "cluster") == 0 && argc > 2 && cluster_command_is(argv[2]))
        return cluster_command_run(argv + 2);
    if (strcmp(command, "cluster") == 0 && argc > 2 && strcmp(argv[2], "help") == 0) {
        cluster_command_print();
        return EXIT_STOPPED;
    }
    if (strcmp(command, "cluster") == 0 && argc > 2 && strcmp(argv[2], "recover") == 0) {
        return start(COMMAND_RECOVER, argv + 3);
    }
    if (strcmp(command, "cluster") == 0 && argc > 2 && strncmp(argv[2], "-", 1) != 0) {
        fprintf(stderr, "chronik-server: there is no command 'cluster %s'; cluster help lists them\n", argv[2]);
        return EXIT_USAGE;
    }
    if (commands_have(command)) return commands_run(argv + 1);
    if (strcmp(command, "man") == 0) {
        commands_print_man();
        return EXIT_STOPPED;
    }
    if (strcmp(command, "completion") == 0) {
        if (argc == 3 && commands_print_completion(argv[2])) return EXIT_STOPPED;
        fputs("chronik-server completion: bash, zsh or fish is expected\n", stderr);
        return EXIT_USAGE;
    }
    if (strcmp(command, "start") == 0) return start(COMMAND_START, argv + 2);
    if (strcmp(command, "standalone") == 0) return start(COMMAND_STANDALONE, argv + 2);
    if (strcmp(command, "cluster") == 0) return start(COMMAND_CLUSTER, argv + 2);
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        puts("chronik-server " CHRONIK_VERSION);
        return EXIT_STOPPED;
    }
    if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
        print_usage(stdout);
        return EXIT_STOPPED;
    }
    if (argc > 1) fprintf(stderr, "chronik-server: there is no command '%s'; --help lists them\n", command);
    else print_usage(stderr);
    return EXIT_USAGE;
}
