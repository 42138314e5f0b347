/* What may be said to a server, where, and what is said back. */
#include "fake_node.h"
#include "runtime/settings.h"
#include "runtime/socket.h"
#include "t.h"

#include <stdlib.h>
#include <unistd.h>

static char error[SETTINGS_ERROR_SIZE];

static char *const nothing[] = { NULL };
static const char *const no_files[] = { NULL };

static struct settings fresh(void)
{
    struct settings settings;

    settings_init(&settings);
    error[0] = 0;
    return settings;
}

TEST(defaults_are_for_a_laptop)
{
    struct settings settings = fresh();
    const struct settings_sources sources = { nothing, nothing, no_files };

    EXPECT_EQ("nothing has to be said", SETTINGS_READ, settings_read(&settings, &sources, error));
    EXPECT_TEXT("loopback", "127.0.0.1", settings.kafka.host);
    EXPECT_EQ("Kafka's port", 9092, settings.kafka.port);
    EXPECT_EQ("the admin port", 8080, settings.admin.port);
    EXPECT_TEXT("data beside us", "./data", settings.data_dir);
    EXPECT_EQ("node 1", 1, settings.node.node_id);
}

TEST(the_file_sets_everything)
{
    static const char text[] = "[server]\n"
                               "kafka_addr = \"0.0.0.0:19092\"\n"
                               "advertised_kafka_addr = 'broker.example:29092'\n"
                               "admin_addr = \"[::1]:18080\"\n"
                               "data_dir = \"/var/lib/chronik\"\n"
                               "log_level = \"debug\"\n"
                               "log_format = \"json\"\n"
                               "[cluster]\n"
                               "enabled = true\n"
                               "node_id = 7\n"
                               "node_addr = \"0.0.0.0:19093\"\n"
                               "advertised_node_addr = \"node7:29093\"\n"
                               "wal_addr = \"0.0.0.0:19291\"\n"
                               "advertised_wal_addr = \"wal7:29291\"\n"
                               "seed_nodes = [\"1@node1:9093\", '2@[::1]:9093']\n"
                               "voters = 3\n"
                               "rack = \"r1\"\n"
                               "[defaults]\n"
                               "num_partitions = 6\n"
                               "replication_factor = 5\n"
                               "auto_create_topics = false\n"
                               "connections_max_idle_ms = 60_000\n"
                               "[limits]\n"
                               "connections_max = 123\n"
                               "peer_connections_max = 12\n"
                               "request_size_max = \"100MiB\"\n"
                               "tail_memory = 0x1000_0000\n"
                               "request_memory = '2GiB'\n";
    struct settings settings = fresh();

    EXPECT("it is right", settings_read_toml(&settings, "f", text, sizeof text - 1, error));
    EXPECT_TEXT("no complaint", "", error);
    EXPECT_TEXT("an address", "0.0.0.0", settings.kafka.host);
    EXPECT_EQ("its port", 19092, settings.kafka.port);
    EXPECT_TEXT("a name", "broker.example", settings.node.advertised_kafka.host);
    EXPECT_TEXT("brackets are not of the host", "::1", settings.admin.host);
    EXPECT_TEXT("a path", "/var/lib/chronik", settings.data_dir);
    EXPECT_EQ("a level", NOTE_DEBUG, settings.log_level);
    EXPECT_EQ("a format", LOG_JSON, settings.log_format);
    EXPECT_EQ("a number", 7, settings.node.node_id);
    EXPECT_TEXT("a text", "r1", settings.node.rack);
    EXPECT("a boolean of the cluster", settings.node.cluster_enabled);
    EXPECT_EQ("where nodes connect", 19093, settings.cluster_node.port);
    EXPECT_TEXT("and how they find it", "node7", settings.node.node_address.host);
    EXPECT_EQ("data", 19291, settings.cluster_wal.port);
    EXPECT_EQ("found elsewhere", 29291, settings.node.wal_address.port);
    EXPECT_EQ("two seeds", 2, settings.node.seed_count);
    EXPECT("one", settings.node.seeds[0].node_id == 1 && strcmp(settings.node.seeds[0].address.host, "node1") == 0);
    EXPECT("another", settings.node.seeds[1].node_id == 2 && settings.node.seeds[1].address.port == 9093);
    EXPECT_EQ("an odd number", 3, settings.node.voters_target);
    EXPECT_EQ("links to nodes", 12, settings.peer_links_max);
    EXPECT_EQ("partitions", 6, settings.node.num_partitions);
    EXPECT_EQ("replicas", 5, settings.node.replication_factor);
    EXPECT("a boolean", !settings.node.auto_create_topics);
    EXPECT_EQ("milliseconds", 60000, settings.node.link_idle_ms);
    EXPECT_EQ("a limit", 123, settings.node.links_max);
    EXPECT_EQ("a size with unit", 100 << 20, settings.node.request_size_max);
    EXPECT_EQ("a size in bytes", 0x10000000, settings.node.tail_memory_size);
    EXPECT_EQ("a large one", 2ll << 30, settings.node.request_memory_size);
}

static const struct file_row {
    const char *why;
    const char *text;
    const char *want;
} wrong_files[] = {
    { "not TOML", "[server", "f:1:8: ']' is expected here" },
    { "an unknown key", "[server]\n\nkafka_adr = 'x:1'", "f:3:1: server.kafka_adr: there is no such setting" },
    { "an unknown section", "[sever]\n", "f:1:2: sever: there is no such section" },
    { "a key of another section", "[server]\nnode_id = 1", "f:2:1: server.node_id: there is no such setting" },
    { "no section", "node_id = 1", "f:1:1: node_id: a setting belongs in a section" },
    { "a section that is none", "server = 1", "f:1:1: server: a setting belongs in a section" },
    { "a table of tables", "[server.x]", "f:1:9: server.x: there is no such setting" },
    { "a number for a text", "[server]\ndata_dir = 1", "f:2:1: server.data_dir: a string is wanted, not an integer" },
    { "a text for a number", "[cluster]\nnode_id = '1'", "f:2:1: cluster.node_id: an integer is wanted, not a string" },
    { "a float for a size", "[limits]\ntail_memory = 1.5",
      "f:2:1: limits.tail_memory: an integer or a string is wanted, not a float" },
    { "a text for a boolean", "[defaults]\nauto_create_topics = 'true'",
      "f:2:1: defaults.auto_create_topics: a boolean is wanted, not a string" },
    { "too small", "[cluster]\nnode_id = 0", "f:2:1: cluster.node_id: 0 is not between 1 and 2147483647" },
    { "too large", "[limits]\njournal_files_max = 65", "f:2:1: limits.journal_files_max: 65 is not between 2 and 64" },
    { "no unit", "[limits]\ntail_memory = '5 GB'",
      "f:2:1: limits.tail_memory: '5 GB' is no size: KiB, MiB and GiB are units" },
    { "a size beyond all", "[limits]\ntail_memory = '9999999999999GiB'",
      "f:2:1: limits.tail_memory: '9999999999999GiB' is too large" },
    { "no level", "[server]\nlog_level = 'verbose'",
      "f:2:1: server.log_level: 'verbose' is none of debug, info, warning, error" },
    { "no port", "[server]\nkafka_addr = 'localhost'",
      "f:2:1: server.kafka_addr: 'localhost' is no address (host:port): ':port' is missing" },
    { "a port too large", "[server]\nkafka_addr = 'localhost:65536'",
      "f:2:1: server.kafka_addr: 'localhost:65536' is no address (host:port): the port is above 65535" },
    { "no brackets", "[server]\nkafka_addr = '::1:9092'",
      "f:2:1: server.kafka_addr: '::1:9092' is no address (host:port): an IPv6 host needs brackets: [::1]:9092" },
    { "an empty directory", "[server]\ndata_dir = ''", "f:2:1: server.data_dir: it must not be empty" },
    { "a long text", "[cluster]\nrack = '123456789012345678901234567890123456789012345678901234567890abcd'",
      "f:2:1: cluster.rack: it has more than 63 characters" },
    { "an even number of voters", "[cluster]\nvoters = 4", "f:2:1: cluster.voters: 4 is none of 1, 3, 5, 7" },
    { "too many voters", "[cluster]\nvoters = 9", "f:2:1: cluster.voters: 9 is not between 1 and 7" },
    { "seeds that are no list", "[cluster]\nseed_nodes = '1@a:1'",
      "f:2:1: cluster.seed_nodes: an array of strings is wanted, not a string" },
    { "a seed that is no string", "[cluster]\nseed_nodes = [1]",
      "f:2:1: cluster.seed_nodes: an array of strings is wanted, not an integer" },
    { "a seed without an id", "[cluster]\nseed_nodes = ['a:1']",
      "f:2:1: cluster.seed_nodes: 'a:1' is no seed (id@host:port): 'id@' is missing" },
    { "nothing before the @", "[cluster]\nseed_nodes = ['@a:1']",
      "f:2:1: cluster.seed_nodes: '@a:1' is no seed (id@host:port): the id is missing" },
    { "node 0", "[cluster]\nseed_nodes = ['0@a:1']",
      "f:2:1: cluster.seed_nodes: '0@a:1' is no seed (id@host:port): the id is 0" },
    { "a name for an id", "[cluster]\nseed_nodes = ['x@a:1']",
      "f:2:1: cluster.seed_nodes: 'x@a:1' is no seed (id@host:port): the id is not a number" },
    { "an id beyond all", "[cluster]\nseed_nodes = ['2147483648@a:1']",
      "f:2:1: cluster.seed_nodes: '2147483648@a:1' is no seed (id@host:port): the id is above 2147483647" },
    { "a seed without a port", "[cluster]\nseed_nodes = ['1@a']",
      "f:2:1: cluster.seed_nodes: '1@a' is no seed (id@host:port): ':port' is missing" },
    { "a seed at any port", "[cluster]\nseed_nodes = ['1@a:0']",
      "f:2:1: cluster.seed_nodes: '1@a:0' is no seed (id@host:port): the port is 0" },
    { "a seed twice", "[cluster]\nseed_nodes = ['1@a:1', '2@a:1', '1@b:1']",
      "f:2:1: cluster.seed_nodes: node 1 is named twice" },
    { "too many seeds",
      "[cluster]\nseed_nodes = ['1@a:1','2@a:1','3@a:1','4@a:1','5@a:1','6@a:1','7@a:1','8@a:1','9@a:1',"
      "'10@a:1','11@a:1','12@a:1','13@a:1','14@a:1','15@a:1','16@a:1','17@a:1']",
      "f:2:1: cluster.seed_nodes: there are more than 16" },
    { "a zero byte", "[cluster]\nrack = \"a\\u0000b\"", "f:2:1: cluster.rack: it is too long or has a zero byte" },
};

TEST(what_is_wrong_in_a_file_is_named_with_its_place)
{
    FOR_EACH(file_row, row, wrong_files) {
        struct settings settings = fresh();
        EXPECT(row->why, !settings_read_toml(&settings, "f", row->text, strlen(row->text), error));
        EXPECT_TEXT(row->why, row->want, error);
    }
}

struct source_row {
    const char *why;
    const char *arguments[6];
    const char *environment[3];
    enum settings_verdict verdict;
    const char *want; /* the host of kafka_addr, or the error */
};

static const struct source_row source_rows[] = {
    { "a flag", { "--kafka-addr", "a:1" }, { 0 }, SETTINGS_READ, "a" },
    { "a flag with its value", { "--kafka-addr=a:1" }, { 0 }, SETTINGS_READ, "a" },
    { "the last one counts", { "--kafka-addr=a:1", "--kafka-addr=b:1" }, { 0 }, SETTINGS_READ, "b" },
    { "a variable", { 0 }, { "CHRONIK_KAFKA_ADDR=b:1" }, SETTINGS_READ, "b" },
    { "a flag before a variable", { "--kafka-addr", "a:1" }, { "CHRONIK_KAFKA_ADDR=b:1" }, SETTINGS_READ, "a" },
    { "other variables are not ours to judge",
      { 0 },
      { "CHRONIK_SERVER=x", "KAFKA_ADDR=y" },
      SETTINGS_READ,
      "127.0.0.1" },
    { "help", { "--kafka-addr", "--help" }, { 0 }, SETTINGS_HELP, "" },
    { "an unknown flag",
      { "--kafka-adr", "a:1" },
      { 0 },
      SETTINGS_WRONG,
      "--kafka-adr: there is no such flag; --help lists them" },
    { "with a value", { "--kafka=a:1" }, { 0 }, SETTINGS_WRONG, "--kafka: there is no such flag; --help lists them" },
    { "a word", { "now" }, { 0 }, SETTINGS_WRONG, "now: there is no such flag; --help lists them" },
    { "no value",
      { "--kafka-addr" },
      { 0 },
      SETTINGS_WRONG,
      "--kafka-addr: '' is no address (host:port): ':port' is missing" },
    { "a wrong value", { "--node-id", "x" }, { 0 }, SETTINGS_WRONG, "--node-id: 'x' is no number" },
    { "trailing letters", { "--node-id", "1x" }, { 0 }, SETTINGS_WRONG, "--node-id: '1x' is no number" },
    { "two lines, and the error is one",
      { "--node-id", "1\n2" },
      { 0 },
      SETTINGS_WRONG,
      "--node-id: '1?2' is no number" },
    { "no unit where there is no size",
      { "--node-id", "1KiB" },
      { 0 },
      SETTINGS_WRONG,
      "--node-id: '1KiB' is no number" },
    { "a wrong variable",
      { 0 },
      { "CHRONIK_NODE_ID=0" },
      SETTINGS_WRONG,
      "CHRONIK_NODE_ID: 0 is not between 1 and 2147483647" },
    { "a boolean",
      { "--auto-create-topics", "yes" },
      { 0 },
      SETTINGS_WRONG,
      "--auto-create-topics: 'yes' is neither true nor false" },
    { "a flag of the cluster", { "--cluster-enabled", "true" }, { 0 }, SETTINGS_READ, "127.0.0.1" },
    { "that says too little",
      { "--enabled", "true" },
      { 0 },
      SETTINGS_WRONG,
      "--enabled: there is no such flag; --help lists them" },
    { "a variable of the cluster",
      { 0 },
      { "CHRONIK_CLUSTER_ENABLED=1" },
      SETTINGS_WRONG,
      "CHRONIK_CLUSTER_ENABLED: '1' is neither true nor false" },
    { "seeds", { "--seed-nodes", "1@a:1,2@b:2" }, { 0 }, SETTINGS_READ, "127.0.0.1" },
    { "no seeds", { "--seed-nodes=" }, { 0 }, SETTINGS_READ, "127.0.0.1" },
    { "a comma too many",
      { "--seed-nodes", "1@a:1," },
      { 0 },
      SETTINGS_WRONG,
      "--seed-nodes: nothing follows the last comma" },
    { "a wrong seed",
      { 0 },
      { "CHRONIK_SEED_NODES=1@a:1,b:2" },
      SETTINGS_WRONG,
      "CHRONIK_SEED_NODES: 'b:2' is no seed (id@host:port): 'id@' is missing" },
    { "a file that is not there",
      { "--config", "/nowhere/c.toml" },
      { 0 },
      SETTINGS_WRONG,
      "/nowhere/c.toml: cannot read it: No such file or directory" },
    { "a file that is none", { "--config=/" }, { 0 }, SETTINGS_WRONG, "/: cannot read it: Is a directory" },
};

TEST(flags_variables_and_their_order)
{
    FOR_EACH(source_row, row, source_rows) {
        struct settings settings = fresh();
        const struct settings_sources sources = { (char *const *)row->arguments, (char *const *)row->environment,
                                                  no_files };
        EXPECT_EQ(row->why, row->verdict, settings_read(&settings, &sources, error));
        if (row->verdict == SETTINGS_READ) EXPECT_TEXT(row->why, row->want, settings.kafka.host);
        if (row->verdict == SETTINGS_WRONG) EXPECT_TEXT(row->why, row->want, error);
    }
}

TEST(files_are_looked_for_in_order)
{
    char path[] = "/tmp/chronik-settings-XXXXXX";
    static const char text[] = "[server]\nkafka_addr = 'file:1'\nadmin_addr = 'off'\n[cluster]\nnode_id = 5\n";
    const int fd = mkstemp(path);
    EXPECT("a file", fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);
    const char *const files[] = { "/nowhere/chronik.toml", path, "/", NULL };
    char *const arguments[] = { "--node-id", "6", NULL };
    char *const environment[] = { "CHRONIK_KAFKA_ADDR=variable:1", NULL };

    struct settings settings = fresh();
    EXPECT_EQ("the first that is there", SETTINGS_READ,
              settings_read(&settings, &(struct settings_sources){ nothing, nothing, files }, error));
    EXPECT_TEXT("is read", "file", settings.kafka.host);
    EXPECT_TEXT("no admin server is wanted", "", settings.admin.host);
    EXPECT_EQ("node", 5, settings.node.node_id);
    settings = fresh();
    EXPECT_EQ("all three", SETTINGS_READ,
              settings_read(&settings, &(struct settings_sources){ arguments, environment, files }, error));
    EXPECT_TEXT("a variable wins over the file", "variable", settings.kafka.host);
    EXPECT_EQ("a flag too", 6, settings.node.node_id);
    unlink(path);
}

static const struct address_row {
    const char *why;
    const char *text;
    const char *wrong; /* NULL: right */
} address_rows[] = {
    { "a name", "broker-1.example:9092", NULL },
    { "v4", "10.0.0.1:0", NULL },
    { "v6", "[fe80::1]:65535", NULL },
    { "no host", ":9092", "the host is missing" },
    { "no port", "a:", "the port is missing" },
    { "a word for a port", "a:kafka", "the port is not a number" },
    { "a sign", "a:-1", "the port is not a number" },
    { "no closing bracket", "[::1", "']' is missing" },
    { "nothing behind the bracket", "[::1]", "':port' is missing" },
    { "a blank", "a b:1", "the host has a character that no host has" },
};

TEST(addresses)
{
    FOR_EACH(address_row, row, address_rows) {
        struct address address;
        char text[ADDRESS_TEXT_SIZE];
        const char *wrong = address_parse(row->text, &address);
        EXPECT_TEXT(row->why, row->wrong == NULL ? "" : row->wrong, wrong == NULL ? "" : wrong);
        if (wrong == NULL) EXPECT_TEXT("it is written as it was read", row->text, address_format(&address, text));
    }
    struct address guess;
    EXPECT("what was bound is what is told", !address_guess(&(struct address){ "10.0.0.1", 5 }, &guess));
    EXPECT_TEXT("host", "10.0.0.1", guess.host);
    EXPECT("any address is a guess", address_guess(&(struct address){ "0.0.0.0", 5 }, &guess));
    EXPECT("that is not any address", strcmp(guess.host, "0.0.0.0") != 0 && guess.host[0] != 0 && guess.port == 5);
}

static const struct complete_row {
    const char *why;
    const char *arguments[6];
    bool enabled;
    const char *kafka, *admin;
    uint32_t peer_links_max;
} complete_rows[] = {
    { "alone: loopback", { 0 }, false, "127.0.0.1", "127.0.0.1", 0 },
    { "alone, and asked to be seen", { "--kafka-addr", "0.0.0.0:1" }, false, "0.0.0.0", "127.0.0.1", 0 },
    { "a cluster: all interfaces", { 0 }, true, "0.0.0.0", "0.0.0.0", 4096 },
    { "a cluster on one", { "--kafka-addr", "10.0.0.1:1" }, true, "10.0.0.1", "0.0.0.0", 4096 },
    { "a cluster that hides", { "--admin-addr=127.0.0.1:1" }, true, "0.0.0.0", "127.0.0.1", 4096 },
    { "a cluster without an admin server", { "--admin-addr=off" }, true, "0.0.0.0", "", 4096 },
    { "a small one", { "--peer-connections-max", "16" }, true, "0.0.0.0", "0.0.0.0", 16 },
};

TEST(what_follows_from_the_cluster)
{
    FOR_EACH(complete_row, row, complete_rows) {
        struct settings settings = fresh();
        const struct settings_sources sources = { (char *const *)row->arguments, nothing, no_files };
        EXPECT_EQ(row->why, SETTINGS_READ, settings_read(&settings, &sources, error));
        settings.node.cluster_enabled = row->enabled;
        settings_complete(&settings);
        EXPECT_TEXT(row->why, row->kafka, settings.kafka.host);
        EXPECT_TEXT(row->why, row->admin, settings.admin.host);
        EXPECT_EQ(row->why, row->peer_links_max, settings.node.peer_links_max);
    }
}

TEST(help_names_every_flag)
{
    static char text[16384];
    FILE *file = fmemopen(text, sizeof text, "w");

    settings_print(file);
    fclose(file);
    EXPECT("with its default", strstr(text, "--kafka-addr") != NULL && strstr(text, "(127.0.0.1:9092)") != NULL);
    EXPECT("sections", strstr(text, "\n[limits]\n") != NULL);
}
