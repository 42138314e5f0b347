// JavaClient.java -- Kafka's own client: what its producer, its consumer (with assign) and its administration expect.
//
//     java JavaClient HOST:PORT [CASE]        a line per case: see main.py
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.BooleanSupplier;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.*;

public class JavaClient {
    static final int SECONDS = 20;
    static String broker;
    static Admin admin;
    static final String unique = "." + ProcessHandle.current().pid();

    interface Case {
        void run() throws Exception;
    }

    static void same(Object have, Object want, String what) {
        if (!Objects.equals(have, want)) throw new AssertionError(what + " is " + have + ", not " + want);
    }

    static void require(boolean holds, String why) {
        if (!holds) throw new AssertionError(why);
    }

    static <T> T get(Future<T> future) throws Exception {
        return future.get(SECONDS, TimeUnit.SECONDS);
    }

    // What an operation failed with, as Kafka's class.
    static Class<?> failure(Future<?> future) throws Exception {
        try {
            get(future);
        } catch (ExecutionException e) {
            return e.getCause().getClass();
        }
        return null;
    }

    static Map<String, Object> settings(String... more) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", broker));
        for (int i = 0; i < more.length; i += 2) all.put(more[i], more[i + 1]);
        return all;
    }

    static String create(String name, int partitions, String... configs) throws Exception {
        NewTopic topic = new NewTopic("java." + name + unique, partitions, (short) 1);
        Map<String, String> map = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) map.put(configs[i], configs[i + 1]);
        get(admin.createTopics(List.of(topic.configs(map))).all());
        while (failure(admin.describeTopics(List.of(topic.name())).allTopicNames()) != null) {
            Thread.sleep(10); // Apache Kafka answers before the metadata is everywhere
        }
        return topic.name();
    }

    static KafkaProducer<byte[], byte[]> producer(String... more) {
        return new KafkaProducer<>(settings(more), new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(String... more) {
        return new KafkaConsumer<>(settings(more), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes();
    }

    static ProducerRecord<byte[], byte[]> record(String topic, int partition, String key, String value) {
        return new ProducerRecord<>(topic, partition, bytes(key), bytes(value));
    }

    static List<RecordMetadata> produce(String topic, int partition, List<String> values, String... more)
        throws Exception {
        List<Future<RecordMetadata>> told = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(more)) {
            for (String value : values) told.add(producer.send(record(topic, partition, null, value)));
        }
        List<RecordMetadata> metadata = new ArrayList<>();
        for (Future<RecordMetadata> each : told) metadata.add(get(each));
        return metadata;
    }

    static List<ConsumerRecord<byte[], byte[]>> consume(String topic, int partition, int count, String... more) {
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(more)) {
            TopicPartition where = new TopicPartition(topic, partition);
            consumer.assign(List.of(where));
            consumer.seekToBeginning(List.of(where));
            long end = System.nanoTime() + SECONDS * 1_000_000_000L;
            while (found.size() < count) {
                consumer.poll(Duration.ofMillis(500)).forEach(found::add);
                require(System.nanoTime() < end, found.size() + " of " + count + " records come");
            }
        }
        return found;
    }

    static List<String> values(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(r -> r.value() == null ? null : new String(r.value())).collect(Collectors.toList());
    }

    static List<String> numbers(int count) {
        return IntStream.range(0, count).mapToObj(i -> "value " + i + " of many").collect(Collectors.toList());
    }

    // ---- cases ----

    static void compression() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = create(codec, 1);
            List<RecordMetadata> told = produce(topic, 0, numbers(2000), "compression.type", codec, "linger.ms", "5");
            same(told.get(1999).offset(), 1999L, "last offset, " + codec);
            same(values(consume(topic, 0, 2000)), numbers(2000), "values, " + codec);
        }
    }

    static void fields() throws Exception {
        String topic = create("fields", 1);
        List<Header> headers = List.of(new RecordHeader("h", bytes("1")), new RecordHeader("null", (byte[]) null),
                                       new RecordHeader("h", new byte[0]));
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            producer.send(new ProducerRecord<>(topic, 0, System.currentTimeMillis(), bytes("k"), bytes("v"), headers));
            producer.send(record(topic, 0, "", ""));
            get(producer.send(record(topic, 0, "k", null)));
        }
        List<ConsumerRecord<byte[], byte[]>> found = consume(topic, 0, 3);
        same(List.of(found.get(0).headers().toArray()), headers, "headers");
        same(found.get(1).key().length + found.get(1).value().length, 0, "sizes");
        same(found.get(2).value(), null, "value");
        same(found.get(0).timestampType(), TimestampType.CREATE_TIME, "timestamp type");
        same(found.get(0).leaderEpoch(), Optional.of(0), "leader epoch");
    }

    static void acks() throws Exception {
        for (String acks : List.of("0", "1", "all")) {
            String topic = create("acks." + acks, 1);
            produce(topic, 0, List.of("first"));
            produce(topic, 0, numbers(500), "acks", acks, "enable.idempotence", "" + acks.equals("all"));
            same(values(consume(topic, 0, 501)).subList(1, 501), numbers(500), "values, acks=" + acks);
        }
    }

    // The default producer is idempotent, with five requests in flight.
    static void idempotent() throws Exception {
        String topic = create("idempotent", 4);
        try (KafkaProducer<byte[], byte[]> producer = producer("batch.size", "500", "linger.ms", "1")) {
            List<Future<RecordMetadata>> told = new ArrayList<>();
            for (int i = 0; i < 8000; i++) told.add(producer.send(record(topic, i % 4, null, "" + i)));
            for (int i = 0; i < 8000; i++) same(get(told.get(i)).offset(), (long) i / 4, "offset of " + i);
        }
        for (int p = 0; p < 4; p++) {
            int first = p;
            List<String> want =
                IntStream.range(0, 2000).mapToObj(i -> "" + (i * 4 + first)).collect(Collectors.toList());
            same(values(consume(topic, p, 2000)), want, "partition " + p);
        }
    }

    static void largest() throws Exception {
        String topic = create("largest", 1, "max.message.bytes", "3000000");
        byte[] value = new byte[2_900_000];
        new Random(1).nextBytes(value);
        try (KafkaProducer<byte[], byte[]> producer = producer("max.request.size", "8000000")) {
            get(producer.send(new ProducerRecord<>(topic, 0, null, value)));
            same(failure(producer.send(new ProducerRecord<>(topic, 0, null, new byte[3_100_000]))),
                 RecordTooLargeException.class, "failure");
        }
        require(Arrays.equals(consume(topic, 0, 1).get(0).value(), value), "another value");
    }

    static void offsets() throws Exception {
        String topic = create("offsets", 1);
        TopicPartition where = new TopicPartition(topic, 0);
        long base = System.currentTimeMillis() - 1_000_000;
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            for (long at : new long[] { 1000, 3000, 2000 }) {
                get(producer.send(new ProducerRecord<>(topic, 0, base + at, null, bytes("x"))));
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            same(consumer.endOffsets(List.of(where)).get(where), 3L, "end");
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(where, base + 1500)).get(where);
            same(found.offset() + "@" + (found.timestamp() - base), "1@3000", "by time");
            same(consumer.offsetsForTimes(Map.of(where, base + 4000)).get(where), null, "after all");
        }
        var largest = get(admin.listOffsets(Map.of(where, OffsetSpec.maxTimestamp())).all()).get(where);
        same(largest.offset() + "@" + (largest.timestamp() - base), "1@3000", "the largest timestamp");
    }

    static void logAppendTime() throws Exception {
        String topic = create("append.time", 1, "message.timestamp.type", "LogAppendTime");
        long before = System.currentTimeMillis();
        RecordMetadata told = produce(topic, 0, numbers(10), "compression.type", "zstd").get(9);
        require(told.hasTimestamp() && told.timestamp() >= before, "told timestamp " + told.timestamp());
        for (ConsumerRecord<byte[], byte[]> each : consume(topic, 0, 10)) {
            same(each.timestampType(), TimestampType.LOG_APPEND_TIME, "timestamp type");
            same(each.timestamp(), told.timestamp(), "timestamp");
        }
    }

    static void longPoll() throws Exception {
        String topic = create("poll", 1);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("fetch.max.wait.ms", "8000")) {
            TopicPartition where = new TopicPartition(topic, 0);
            consumer.assign(List.of(where));
            consumer.seekToBeginning(List.of(where));
            same(consumer.poll(Duration.ofMillis(300)).count(), 0, "records of an empty topic");
            long begin = System.nanoTime();
            produce(topic, 0, List.of("at last"));
            while (consumer.poll(Duration.ofMillis(100)).isEmpty()) {
                require(System.nanoTime() - begin < 5_000_000_000L, "it comes late");
            }
        }
    }

    static void followsManyPartitions() throws Exception {
        String topic = create("many", 60);
        List<TopicPartition> all =
            IntStream.range(0, 60).mapToObj(i -> new TopicPartition(topic, i)).collect(Collectors.toList());
        int[] seen = new int[60];
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("fetch.max.bytes", "20000");
             KafkaProducer<byte[], byte[]> producer = producer("linger.ms", "2")) {
            consumer.assign(all);
            consumer.seekToBeginning(all);
            List<Future<RecordMetadata>> told = new ArrayList<>();
            for (int i = 0; i < 6000; i++) told.add(producer.send(record(topic, i % 60, null, "" + i / 60)));
            for (int i = 0; i < 6000; i++) same(get(told.get(i)).offset(), (long) i / 60, "offset of " + i);
            long end = System.nanoTime() + SECONDS * 1_000_000_000L;
            for (int count = 0; count < 6000;) {
                for (ConsumerRecord<byte[], byte[]> each : consumer.poll(Duration.ofMillis(500))) {
                    same(new String(each.value()), "" + seen[each.partition()]++, "partition " + each.partition());
                    count++;
                }
                require(System.nanoTime() < end, count + " of 6000 records come");
            }
        }
    }

    static void topics() throws Exception {
        String topic = create("administered", 2);
        TopicDescription described = get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
        same(described.partitions().size(), 2, "partitions");
        same(described.partitions().get(0).isr().size(), 1, "ISR");
        require(!described.topicId().equals(Uuid.ZERO_UUID), "no topic id");
        same(failure(admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all()), TopicExistsException.class,
             "created twice");
        same(failure(admin.createTopics(List.of(new NewTopic("a/b", 1, (short) 1))).all()),
             InvalidTopicException.class, "a bad name");
        same(failure(admin.createTopics(List.of(new NewTopic(topic + "x", 1, (short) 3))).all()),
             InvalidReplicationFactorException.class, "three replicas");
        get(admin.createTopics(List.of(new NewTopic(topic + "y", 1, (short) 1)),
                               new CreateTopicsOptions().validateOnly(true)).all());
        require(!get(admin.listTopics().names()).contains(topic + "y"), "validateOnly has created it");
        get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all());
        same(get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size(), 5, "partitions");
        same(failure(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all()),
             InvalidPartitionsException.class, "increased to the same");
        get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(described.topicId()))).all());
        while (get(admin.listTopics().names()).contains(topic)) Thread.onSpinWait(); // Kafka answers a bit too early
        same(failure(admin.describeTopics(List.of(topic)).allTopicNames()), UnknownTopicOrPartitionException.class,
             "described when deleted");
    }

    static String config(ConfigResource resource, String key) throws Exception {
        return get(admin.describeConfigs(List.of(resource)).all()).get(resource).get(key).value();
    }

    static void configs() throws Exception {
        ConfigResource topic =
            new ConfigResource(ConfigResource.Type.TOPIC, create("configs", 1, "retention.ms", "700000"));
        ConfigEntry entry = get(admin.describeConfigs(List.of(topic)).all()).get(topic).get("retention.ms");
        same(entry.source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "source");
        same(config(topic, "segment.bytes"), "1073741824", "segment.bytes");
        get(admin.incrementalAlterConfigs(Map.of(topic, List.of(
            new AlterConfigOp(new ConfigEntry("segment.bytes", "2000000"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("retention.ms", null), AlterConfigOp.OpType.DELETE)))).all());
        same(config(topic, "segment.bytes"), "2000000", "segment.bytes");
        same(config(topic, "retention.ms"), "604800000", "retention.ms");
        same(failure(admin.incrementalAlterConfigs(Map.of(topic, List.of(
            new AlterConfigOp(new ConfigEntry("no.such.config", "1"), AlterConfigOp.OpType.SET)))).all()),
             InvalidConfigurationException.class, "an unknown config");
        String node = get(admin.describeCluster().nodes()).iterator().next().idString();
        ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, node);
        require(config(resource, "num.partitions") != null, "num.partitions");
    }

    static void deleteRecords() throws Exception {
        String topic = create("trimmed", 1);
        TopicPartition where = new TopicPartition(topic, 0);
        produce(topic, 0, numbers(100));
        same(get(admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(30))).lowWatermarks().get(where))
                 .lowWatermark(), 30L, "low watermark");
        same(values(consume(topic, 0, 70)), numbers(100).subList(30, 100), "values");
        same(failure(admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(101))).all()),
             org.apache.kafka.common.errors.OffsetOutOfRangeException.class, "beyond the end");
    }

    static void cluster() throws Exception {
        DescribeClusterResult described = admin.describeCluster();
        Node node = get(described.nodes()).iterator().next();
        same(node.host() + ":" + node.port(), broker, "address");
        same(get(described.controller()).id(), node.id(), "controller");
        require(!get(described.clusterId()).isEmpty(), "no cluster id");
        String topic = create("stored", 1);
        produce(topic, 0, numbers(100));
        var logs = get(admin.describeLogDirs(List.of(node.id())).allDescriptions()).get(node.id()).values();
        long size = logs.iterator().next().replicaInfos().get(new TopicPartition(topic, 0)).size();
        require(size > 1000 && size < 100000, "log size " + size);
        try {
            get(admin.describeAcls(org.apache.kafka.common.acl.AclBindingFilter.ANY).values());
            throw new AssertionError("ACLs without an authorizer");
        } catch (ExecutionException e) {
            same(e.getCause().getClass(), SecurityDisabledException.class, "ACLs");
        }
    }

    static void outOfRange() throws Exception {
        String topic = create("range", 1);
        produce(topic, 0, List.of("x"));
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("auto.offset.reset", "none")) {
            TopicPartition where = new TopicPartition(topic, 0);
            consumer.assign(List.of(where));
            consumer.seek(where, 500);
            for (int i = 0; i < 20; i++) consumer.poll(Duration.ofSeconds(1));
            throw new AssertionError("nothing is said");
        } catch (org.apache.kafka.clients.consumer.OffsetOutOfRangeException expected) {
            require(expected.partitions().size() == 1, "partitions");
        }
    }

    static void autoCreate() throws Exception {
        String topic = "java.auto" + unique;
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            get(producer.send(new ProducerRecord<>(topic, bytes("x"))));
        }
        same(values(consume(topic, 0, 1)), List.of("x"), "values");
    }

    static void pollUntil(List<KafkaConsumer<byte[], byte[]>> consumers, BooleanSupplier done, String what,
                          List<ConsumerRecord<byte[], byte[]>> found) {
        long end = System.nanoTime() + 2 * SECONDS * 1_000_000_000L;
        while (!done.getAsBoolean()) {
            for (KafkaConsumer<byte[], byte[]> each : consumers) each.poll(Duration.ofMillis(100)).forEach(found::add);
            require(System.nanoTime() < end, what + ": " + consumers.stream().map(KafkaConsumer::assignment).toList());
        }
    }

    // The newer group protocol (KIP-848): the coordinator says who reads what.
    static void newerGroups() throws Exception {
        String topic = create("newerGroups", 4), group = "java.newer" + unique;
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        String[] settings = { "group.id", group, "group.protocol", "consumer", "auto.offset.reset", "earliest",
                              "enable.auto.commit", "false" };
        for (int i = 0; i < 4; i++) produce(topic, i, numbers(10));
        try (KafkaConsumer<byte[], byte[]> one = consumer(settings)) {
            one.subscribe(List.of(topic));
            pollUntil(List.of(one), () -> one.assignment().size() == 4, "one has all", found);
            pollUntil(List.of(one), () -> found.size() == 40, "all of it is read", found);
            one.commitSync();
            try (KafkaConsumer<byte[], byte[]> two = consumer(settings)) {
                two.subscribe(List.of(topic));
                pollUntil(List.of(one, two), () -> one.assignment().size() == 2 && two.assignment().size() == 2,
                          "each has a half", found);
                ConsumerGroupDescription told =
                    get(admin.describeConsumerGroups(List.of(group)).describedGroups().get(group));
                same(told.members().size(), 2, "members");
                same(told.partitionAssignor(), "uniform", "assignor");
                same(told.members().stream().mapToInt(m -> m.assignment().topicPartitions().size()).sum(), 4, "shares");
            }
            pollUntil(List.of(one), () -> one.assignment().size() == 4, "the other one has left", found);
            same(found.size(), 40, "records, each once");
            TopicPartition last = new TopicPartition(topic, 3);
            same(one.committed(Set.of(last)).get(last).offset(), 10L, "offset");
        }
        get(admin.deleteConsumerGroups(List.of(group)).all());
    }

    // Topics by an expression that the coordinator looks at: of Kafka 4.
    static void newerGroupsByExpression() throws Exception {
        Class<?> type;
        try {
            type = Class.forName("org.apache.kafka.clients.consumer.SubscriptionPattern");
        } catch (ClassNotFoundException e) {
            return;
        }
        String topic = create("expression.one", 2);
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        Object pattern = type.getConstructor(String.class).newInstance("java\\.expression\\..*" + unique);
        try (KafkaConsumer<byte[], byte[]> one = consumer("group.id", "java.expression" + unique, "group.protocol",
                                                          "consumer", "auto.offset.reset", "earliest")) {
            KafkaConsumer.class.getMethod("subscribe", type).invoke(one, pattern);
            pollUntil(List.of(one), () -> one.assignment().size() == 2, "it matches", found);
            create("expression.two", 3);
            pollUntil(List.of(one), () -> one.assignment().size() == 5, "one more", found);
        }
    }

    // Where in the case it happened.
    static int lineOf(Throwable error, String name) {
        for (StackTraceElement each : error.getStackTrace()) {
            if (each.getMethodName().equals(name)) return each.getLineNumber();
        }
        return 0;
    }

    public static void main(String[] args) {
        broker = args[0];
        String only = args.length > 1 ? args[1] : "";
        admin = Admin.create(settings());
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("compression", JavaClient::compression);
        cases.put("fields", JavaClient::fields);
        cases.put("acks", JavaClient::acks);
        cases.put("idempotent", JavaClient::idempotent);
        cases.put("largest", JavaClient::largest);
        cases.put("offsets", JavaClient::offsets);
        cases.put("logAppendTime", JavaClient::logAppendTime);
        cases.put("longPoll", JavaClient::longPoll);
        cases.put("followsManyPartitions", JavaClient::followsManyPartitions);
        cases.put("topics", JavaClient::topics);
        cases.put("configs", JavaClient::configs);
        cases.put("deleteRecords", JavaClient::deleteRecords);
        cases.put("cluster", JavaClient::cluster);
        cases.put("outOfRange", JavaClient::outOfRange);
        cases.put("autoCreate", JavaClient::autoCreate);
        cases.put("newerGroups", JavaClient::newerGroups);
        cases.put("newerGroupsByExpression", JavaClient::newerGroupsByExpression);
        cases.forEach((name, test) -> {
            if (!name.contains(only)) return;
            try {
                test.run();
                System.out.println("passed " + name);
            } catch (Throwable e) {
                Throwable why = e instanceof ExecutionException ? e.getCause() : e;
                String where = "failed " + name + ": line " + lineOf(e, name) + ": ";
                System.out.println(where + ("" + why).replaceAll("\\s+", " "));
            }
        });
        Runtime.getRuntime().halt(0);
    }
}
