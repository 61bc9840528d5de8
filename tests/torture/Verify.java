// Recomputes what `cargo xtask torture` must have made, from the input topic alone, with Kafka's own clients and without
// a line of nowfold: the totals of each key, which records were lost or doubled, and the features of every actor as of
// several instants, asked over HTTP. Prints one JSON object.
//
// Input: key "k<number>", value two big-endian longs, id and event time in ms. Output: the same key, three longs, the
// number of records of the key so far, the sum of their ids, and the id of the last. Every actions-every'th id is an
// action of its key with verb, amount and time as below.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class Verify {
    static final String GROUP = "torture", INPUT = "torture-in", OUTPUT = "torture-out", ACTIONS = "torture-actions";
    static final String[] VERBS = {"view", "apply", "dismiss"};
    static final String[] WINDOWS = {"1h", "6h", "96h"};
    static final long[] WINDOW_MS = {3_600_000L, 6 * 3_600_000L, 96 * 3_600_000L};
    /** Nothing may stand still for longer. */
    static final long STUCK_MS = 180_000;
    static final int BATCH = 500;

    final ObjectMapper json = new ObjectMapper();
    final String bootstrap;
    final boolean exactlyOnce;
    final String[] endpoints;
    final int keys;
    final long actionsEvery;
    final long[] asOf;
    /** For each key, instant and window: actions, sum of amounts, and actions by verb. */
    final long[][][][] truth;

    long records, outputs, lost, duplicated, misordered, wrongAggregates, actions, features, wrongFeatures;

    public static void main(String[] arguments) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < arguments.length; i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        new Verify(options).run();
    }

    Verify(Map<String, String> options) {
        bootstrap = options.get("bootstrap");
        exactlyOnce = options.get("guarantee").equals("exactly-once");
        endpoints = options.get("endpoints").split(",");
        keys = Integer.parseInt(options.get("keys"));
        actionsEvery = Long.parseLong(options.get("actions-every"));
        asOf = Arrays.stream(options.get("as-of").split(",")).mapToLong(Long::parseLong).toArray();
        truth = new long[keys][asOf.length][WINDOWS.length][2 + VERBS.length];
    }

    void run() throws Exception {
        try (KafkaConsumer<byte[], byte[]> all = consumer("read_uncommitted");
                KafkaConsumer<byte[], byte[]> committed = consumer("read_committed")) {
            List<TopicPartition> inputs = partitions(all, INPUT);
            awaitProcessed(all, inputs);
            for (TopicPartition input : inputs) {
                checkPartition(all, committed, input);
            }
            checkFeatures(readActions(all, committed));
        }
        ObjectNode result = json.createObjectNode();
        result.put("records", records).put("outputs", outputs).put("lost", lost).put("duplicated", duplicated);
        result.put("misordered", misordered).put("wrong_aggregates", wrongAggregates).put("actions", actions);
        result.put("features", features).put("wrong_features", wrongFeatures);
        System.out.println(json.writeValueAsString(result));
    }

    KafkaConsumer<byte[], byte[]> consumer(String isolation) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("isolation.level", isolation);
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "none");
        properties.put("max.poll.records", "20000");
        properties.put("max.partition.fetch.bytes", "8388608");
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, String topic) {
        List<TopicPartition> found = new ArrayList<>();
        for (PartitionInfo info : consumer.partitionsFor(topic)) {
            found.add(new TopicPartition(topic, info.partition()));
        }
        found.sort((a, b) -> a.partition() - b.partition());
        return found;
    }

    /** Waits until the group has committed the end of every input partition. */
    void awaitProcessed(KafkaConsumer<?, ?> consumer, List<TopicPartition> inputs) throws Exception {
        Map<TopicPartition, Long> ends = consumer.endOffsets(inputs);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        try (Admin admin = Admin.create(properties)) {
            long last = -1, moved = System.currentTimeMillis();
            while (true) {
                Map<TopicPartition, OffsetAndMetadata> offsets =
                        admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get();
                long left = 0;
                for (TopicPartition input : inputs) {
                    OffsetAndMetadata offset = offsets.get(input);
                    left += Math.max(0, ends.get(input) - (offset == null ? 0 : offset.offset()));
                }
                if (left == 0) {
                    return;
                }
                if (left != last) {
                    last = left;
                    moved = System.currentTimeMillis();
                }
                if (System.currentTimeMillis() - moved > STUCK_MS) {
                    throw new IllegalStateException(left + " records are not processed, and nothing moves");
                }
                Thread.sleep(200);
            }
        }
    }

    /** Hands every record of a partition to `each`, up to the end that it has now. */
    static void read(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, long end,
            Consumer<ConsumerRecord<byte[], byte[]>> each) {
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        long moved = System.currentTimeMillis(), last = -1;
        while (consumer.position(partition) < end) {
            consumer.poll(Duration.ofMillis(500)).forEach(each);
            long position = consumer.position(partition);
            if (position != last) {
                last = position;
                moved = System.currentTimeMillis();
            }
            if (System.currentTimeMillis() - moved > STUCK_MS) {
                throw new IllegalStateException(partition + " cannot be read beyond " + position + " of " + end);
            }
        }
    }

    /** Compares the outputs of one partition with its inputs: equal keys are in equal partitions of both topics. */
    void checkPartition(KafkaConsumer<byte[], byte[]> all, KafkaConsumer<byte[], byte[]> committed,
            TopicPartition input) {
        Longs ids = new Longs();
        int[] perKey = new int[keys];
        read(all, input, end(all, input), record -> {
            ByteBuffer value = ByteBuffer.wrap(record.value());
            long id = value.getLong();
            int key = key(record);
            ids.add(id);
            perKey[key]++;
            if (id % actionsEvery == 0) {
                count(key, id, value.getLong());
            }
        });
        Longs seen = new Longs();
        long[] n = new long[keys], sum = new long[keys], highest = new long[keys];
        TopicPartition output = new TopicPartition(OUTPUT, input.partition());
        read(committed, output, end(all, output), record -> {
            ByteBuffer value = ByteBuffer.wrap(record.value());
            long saidN = value.getLong(), saidSum = value.getLong(), id = value.getLong();
            int key = key(record);
            n[key]++;
            sum[key] += id;
            highest[key] = Math.max(highest[key], saidN);
            if (exactlyOnce && (saidN != n[key] || saidSum != sum[key])) {
                wrongAggregates++;
            }
            seen.add(id);
        });
        for (int key = 0; key < keys; key++) {
            // At-least-once may count some records twice, and may never forget one.
            wrongAggregates += highest[key] < perKey[key] ? 1 : 0;
        }
        records += ids.size;
        outputs += seen.size;
        compare(ids, seen);
    }

    /** Counts what is in one list more often than in the other, and what is not in its place. */
    void compare(Longs expected, Longs found) {
        for (int i = 0; i < Math.min(expected.size, found.size); i++) {
            misordered += exactlyOnce && expected.values[i] != found.values[i] ? 1 : 0;
        }
        long[] a = expected.sorted(), b = found.sorted();
        int i = 0, j = 0;
        while (i < a.length || j < b.length) {
            if (j == b.length || i < a.length && a[i] < b[j]) {
                lost++;
                i++;
            } else if (i == a.length || b[j] < a[i]) {
                duplicated++;
                j++;
            } else {
                i++;
                j++;
            }
        }
    }

    void count(int key, long id, long atMs) {
        for (int instant = 0; instant < asOf.length; instant++) {
            for (int window = 0; window < WINDOWS.length; window++) {
                if (atMs > asOf[instant] - WINDOW_MS[window] && atMs <= asOf[instant]) {
                    long[] counts = truth[key][instant][window];
                    counts[0]++;
                    counts[1] += id % 1_000;
                    counts[2 + (int) (id % 3)]++;
                }
            }
        }
    }

    static long end(KafkaConsumer<?, ?> all, TopicPartition partition) {
        return all.endOffsets(List.of(partition)).get(partition);
    }

    static int key(ConsumerRecord<byte[], byte[]> record) {
        return Integer.parseInt(new String(record.key(), StandardCharsets.UTF_8).substring(1));
    }

    /** The last action of each partition, which an answer has to include. */
    ObjectNode readActions(KafkaConsumer<byte[], byte[]> all, KafkaConsumer<byte[], byte[]> committed) {
        ObjectNode position = json.createObjectNode();
        for (TopicPartition partition : partitions(all, ACTIONS)) {
            long[] last = {-1};
            read(committed, partition, end(all, partition), record -> {
                last[0] = record.offset();
                actions++;
            });
            if (last[0] >= 0) {
                position.put(partition.toString(), last[0]);
            }
        }
        return position;
    }

    /** Asks for every actor at every endpoint: the owner answers, and all others send on. */
    void checkFeatures(ObjectNode position) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int instant = 0; instant < asOf.length; instant++) {
            TreeSet<Integer> open = new TreeSet<>();
            for (int key = 0; key < keys; key++) {
                open.add(key);
            }
            Map<String, Integer> refusals = new TreeMap<>();
            long deadline = System.currentTimeMillis() + STUCK_MS;
            while (!open.isEmpty() && System.currentTimeMillis() < deadline) {
                refusals.clear();
                List<Integer> round = new ArrayList<>(open);
                for (int from = 0; from < round.size(); from += BATCH) {
                    List<Integer> batch = round.subList(from, Math.min(from + BATCH, round.size()));
                    for (String endpoint : endpoints) {
                        ask(client, endpoint, batch, instant, position, open, refusals);
                    }
                }
                if (!open.isEmpty()) {
                    Thread.sleep(200);
                }
            }
            if (!open.isEmpty()) {
                System.err.println(open.size() + " actors are not answered: " + refusals);
                wrongFeatures += open.size();
            }
        }
    }

    void ask(HttpClient client, String endpoint, List<Integer> batch, int instant, ObjectNode position,
            TreeSet<Integer> open, Map<String, Integer> refusals) throws Exception {
        ObjectNode question = json.createObjectNode();
        ArrayNode actors = question.putArray("actors");
        batch.forEach(key -> actors.add("k" + key));
        question.put("as_of", asOf[instant]);
        question.put("wait", "3s");
        question.set("at_least", position);
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + endpoint + "/v1/features"))
                .timeout(Duration.ofSeconds(60))
                .POST(HttpRequest.BodyPublishers.ofString(json.writeValueAsString(question)))
                .build();
        HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
        JsonNode answer = json.readTree(response.body());
        if (response.statusCode() != 200) {
            refusals.merge(answer.path("code").asText("HTTP " + response.statusCode()), batch.size(), Integer::sum);
            return;
        }
        for (JsonNode result : answer.get("results")) {
            int key = Integer.parseInt(result.get("actor").asText().substring(1));
            if (result.has("error")) {
                refusals.merge(result.get("error").path("code").asText(), 1, Integer::sum);
                continue;
            }
            open.remove(key);
            for (int window = 0; window < WINDOWS.length; window++) {
                check(result, key, instant, window);
            }
        }
    }

    /** Three features of one actor in one window. */
    void check(JsonNode result, int key, int instant, int window) {
        long[] expected = truth[key][instant][window];
        JsonNode values = result.get("features");
        String label = WINDOWS[window];
        ObjectNode verbs = json.createObjectNode();
        for (int verb = 0; verb < VERBS.length; verb++) {
            if (expected[2 + verb] > 0) {
                verbs.put(VERBS[verb], expected[2 + verb]);
            }
        }
        JsonNode count = values.path("all").path("value").path(label);
        JsonNode byVerb = values.path("verbs").path("value").path(label);
        JsonNode amount = values.path("amount").path("value").path(label);
        boolean amountIsRight = expected[0] == 0 ? amount.isNull() || amount.asDouble(-1) == 0
                : amount.isNumber() && amount.asDouble() == expected[1];
        boolean[] right = {
            count.isNumber() && count.asLong() == expected[0],
            byVerb.isObject() && sameNumbers(byVerb, verbs),
            amountIsRight,
        };
        for (boolean one : right) {
            features++;
            if (!one && wrongFeatures++ < 5) {
                System.err.println("wrong: expected " + Arrays.toString(expected) + " in " + label + " of " + result);
            }
        }
    }

    static boolean sameNumbers(JsonNode a, JsonNode b) {
        if (a.size() != b.size()) {
            return false;
        }
        for (var fields = b.fields(); fields.hasNext(); ) {
            var field = fields.next();
            if (a.path(field.getKey()).asLong(-1) != field.getValue().asLong()) {
                return false;
            }
        }
        return true;
    }

    /** A list of longs without boxes. */
    static final class Longs {
        long[] values = new long[1 << 16];
        int size;

        void add(long value) {
            if (size == values.length) {
                values = Arrays.copyOf(values, size * 2);
            }
            values[size++] = value;
        }

        long[] sorted() {
            long[] copy = Arrays.copyOf(values, size);
            Arrays.sort(copy);
            return copy;
        }
    }
}
