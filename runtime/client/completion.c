/* completion.c -- what shells and the manual know of the commands: printed from the table. */
#include "base/bytes.h"
#include "runtime/client/command.h"
#include "runtime/client/commands.h"
#include "runtime/settings.h"

#include <stdio.h>
#include <string.h>

static const char start_words[] = "start standalone", cluster_flags[] = "--admin --api-key --json --force --help";

/* The words that may stand first, beside the table's. */
static const char *const others[] = { "start", "standalone", "cluster", "version", "completion", "man", "--help" };
static const char *const cluster_words[] = { "members",  "leader",           "partitions",      "status",
                                             "add-node", "remove-node",      "transfer-leader", "rebalance",
                                             "promote",  "promote-observer", "recover",         "help" };

static bool is_first_of_noun(uint32_t i)
{
    return i == 0 || strcmp(commands[i - 1].noun, commands[i].noun) != 0;
}

static void print_nouns(void)
{
    for (uint32_t i = 0; i < COUNT_OF(others); i++) printf("%s ", others[i]);
    for (uint32_t i = 0; i < commands_count; i++) {
        if (is_first_of_noun(i)) printf("%s ", commands[i].noun);
    }
}

static void print_verbs(const char *noun)
{
    for (uint32_t i = 0; i < commands_count; i++) {
        if (strcmp(commands[i].noun, noun) == 0) printf("%s ", commands[i].verb);
    }
    printf("help");
}

static void print_flag_names(const struct command *command)
{
    for (const char *letter = command->flags; *letter != 0; letter++) printf("%s ", flag_of_letter(*letter)->name);
    printf("--help");
}

/* Names of topics and groups are asked of the brokers that are named already, or of the usual ones. */
static void print_bash(void)
{
    printf("_chronik_server() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} words= before=${COMP_WORDS[COMP_CWORD-1]} i bootstrap=()\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        [[ ${COMP_WORDS[i]} == --bootstrap ]] && bootstrap=(--bootstrap \"${COMP_WORDS[i+1]}\")\n"
           "    done\n"
           "    if ((COMP_CWORD == 1)); then words=\"");
    print_nouns();
    printf("\"\n    elif ((COMP_CWORD == 2)) && [[ $word != -* ]]; then\n        case ${COMP_WORDS[1]} in\n");
    for (uint32_t i = 0; i < commands_count; i++) {
        if (!is_first_of_noun(i)) continue;
        printf("        %s) words=\"", commands[i].noun);
        print_verbs(commands[i].noun);
        printf("\" ;;\n");
    }
    printf("        cluster) words=\"");
    for (uint32_t i = 0; i < COUNT_OF(cluster_words); i++) printf("%s%s", i > 0 ? " " : "", cluster_words[i]);
    printf("\" ;;\n        completion) words=\"bash zsh fish\" ;;\n        esac\n"
           "    elif [[ $word == -* ]]; then\n        case ${COMP_WORDS[1]}.${COMP_WORDS[2]} in\n");
    for (uint32_t i = 0; i < commands_count; i++) {
        printf("        %s.%s) words=\"", commands[i].noun, commands[i].verb);
        print_flag_names(&commands[i]);
        printf("\" ;;\n");
    }
    printf("        start.*|standalone.*|cluster.-*|cluster.recover) words=\"");
    settings_print_names(stdout);
    printf("\" ;;\n        cluster.*) words=\"%s\" ;;\n", cluster_flags);
    printf("        esac\n"
           "    elif [[ $before == --compression ]]; then words=\"none gzip snappy lz4 zstd\"\n"
           "    else\n"
           "        local noun=\n"
           "        [[ $before != --* && ${COMP_WORDS[1]} =~ ^(topic|group)$ ]] && noun=${COMP_WORDS[1]}\n"
           "        [[ $before == --topic ]] && noun=topic\n"
           "        [[ -n $noun ]] && words=$(\"${COMP_WORDS[0]}\" $noun list \"${bootstrap[@]}\" 2>/dev/null |\n"
           "            awk 'NR > 1 { print $1 }')\n"
           "    fi\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
           "}\n"
           "complete -F _chronik_server chronik-server\n");
}

static void print_zsh(void)
{
    printf("#compdef chronik-server\nautoload -U +X bashcompinit && bashcompinit\n");
    print_bash();
}

static void print_fish(void)
{
    printf("complete -c chronik-server -f\ncomplete -c chronik-server -n __fish_use_subcommand -a '");
    print_nouns();
    printf("'\nset -l words");
    for (uint32_t i = 0; i < COUNT_OF(cluster_words); i++) printf(" %s", cluster_words[i]);
    printf("\nset -l flags ");
    settings_print_names(stdout);
    printf("\ncomplete -c chronik-server -n '__fish_seen_subcommand_from cluster' -a \"$words\"\n"
           "complete -c chronik-server -n '__fish_seen_subcommand_from cluster' -a '%s'\n"
           "complete -c chronik-server -n '__fish_seen_subcommand_from %s recover' -a \"$flags\"\n",
           cluster_flags, start_words);
    for (uint32_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands[i];
        printf("complete -c chronik-server -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from ",
               command->noun);
        print_verbs(command->noun);
        printf("' -a %s -d '%s'\n", command->verb, command->help);
        for (const char *letter = command->flags; *letter != 0; letter++) {
            const struct flag *flag = flag_of_letter(*letter);
            printf("complete -c chronik-server -n '__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s' "
                   "-l %s%s -d '%s'\n",
                   command->noun, command->verb, flag->name + 2, flag->value != NULL ? " -r" : "", flag->help);
        }
    }
}

bool commands_print_completion(const char *shell)
{
    if (strcmp(shell, "bash") == 0) print_bash();
    else if (strcmp(shell, "zsh") == 0) print_zsh();
    else if (strcmp(shell, "fish") == 0) print_fish();
    else return false;
    return true;
}

/* ---- the manual ---- */

/* Minus signs that are to stay such, so that they can be copied. */
static void print_troff(const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '-') fputs("\\-", stdout);
        else if (*text == '\\') fputs("\\e", stdout);
        else putchar(*text);
    }
}

static void print_entry(const struct command *command)
{
    printf(".SS \"");
    print_troff(command->noun);
    putchar(' ');
    print_troff(command->verb);
    putchar(' ');
    print_troff(command->operands);
    printf("\"\n");
    print_troff(command->help);
    printf(".\n");
    for (const char *letter = command->flags; *letter != 0; letter++) {
        const struct flag *flag = flag_of_letter(*letter);
        printf(".TP\n.BR ");
        print_troff(flag->name);
        if (flag->value != NULL) printf(" \" \" \\fI%s\\fR", flag->value);
        putchar('\n');
        print_troff(flag->help);
        putchar('\n');
    }
}

void commands_print_man(void)
{
    printf(".TH CHRONIK\\-SERVER 1\n"
           ".SH NAME\nchronik\\-server \\- a streaming server that speaks Kafka\n"
           ".SH SYNOPSIS\n.B chronik\\-server\n.I command\n[\\fIflag value\\fR]...\n"
           ".SH DESCRIPTION\n"
           ".B chronik\\-server start\nruns a node, with its data in ./data; its flags are listed by\n"
           ".BR \"start \\-\\-help\" .\n"
           ".B chronik\\-server cluster\nruns a node of a cluster;\n.B chronik\\-server cluster help\n"
           "lists questions and orders to a running one.\n"
           "The commands below speak Kafka's protocol, to brokers of any maker.\n"
           ".SH COMMANDS\n");
    for (uint32_t i = 0; i < commands_count; i++) print_entry(&commands[i]);
    printf(".SH EXIT STATUS\n"
           "0 done, 1 refused or not reached, 2 not understood. Those of a node:\n.BR \"start \\-\\-help\" .\n"
           ".SH ENVIRONMENT\n.TP\n.B CHRONIK_BOOTSTRAP\nbrokers to begin with, where\n.B \\-\\-bootstrap\n"
           "is not given.\n"
           ".TP\n.B CHRONIK_*\na setting of a node each:\n.BR \"start \\-\\-help\" .\n");
}
