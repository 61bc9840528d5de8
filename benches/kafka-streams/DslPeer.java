import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.Stores;

/**
 * The two topologies of the bench `dsl` in Kafka Streams: one run in one JVM, one JSON line. The run ends when every input
 * record has been processed and the application has closed, with all effects stored and committed.
 */
public final class DslPeer {
    private static final Duration HOUR = Duration.ofHours(1);
    private static final LongAdder DONE = new LongAdder();

    public static void main(String[] args) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int i = 0; i + 1 < args.length; i += 2) {
            options.put(args[i].substring(2), args[i + 1]);
        }
        long records = Long.parseLong(options.get("records"));
        KafkaStreams streams = new KafkaStreams(topology(options).build(), config(options));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        long started = System.nanoTime();
        streams.start();
        await(records / 2, streams);
        double[] half = {cpuSeconds(), DONE.sum()};
        await(records, streams);
        double[] end = {cpuSeconds(), DONE.sum()};
        streams.close(Duration.ofSeconds(60));
        double cpu = cpuSeconds();
        double wall = (System.nanoTime() - started) / 1e9;
        System.out.printf(
            Locale.ROOT,
            "{\"name\":\"%s\",\"round\":%s,\"records\":%d,\"wall_s\":%.3f,\"cpu_s\":%.3f,\"records_per_cpu_s\":%.0f,\"records_per_s\":%.0f,"
                + "\"second_half_records_per_cpu_s\":%.0f,\"peak_rss_bytes\":%d}%n",
            options.get("name"), options.get("round"), records, wall, cpu, records / cpu, records / wall,
            (end[1] - half[1]) / (end[0] - half[0]), peakBytes());
        streams.cleanUp();
        System.exit(0);
    }

    private static StreamsBuilder topology(Map<String, String> options) {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> actions = builder.stream(options.get("topic"), Consumed.with(Serdes.String(), Serdes.String()));
        switch (options.get("name")) {
            case "ks-map" -> actions
                .peek((actor, action) -> DONE.increment())
                .filter((actor, action) -> !action.startsWith("dismiss"))
                .mapValues(action -> action.replace('-', '_'))
                .to(options.get("to"), Produced.with(Serdes.String(), Serdes.String()));
            case "ks-count" -> actions
                .groupByKey(Grouped.with(Serdes.String(), Serdes.String()))
                .windowedBy(TimeWindows.ofSizeAndGrace(HOUR, HOUR))
                .count(Materialized.<String, Long>as(Stores.inMemoryWindowStore("counts", HOUR.multipliedBy(2), HOUR, false))
                    .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()).withCachingDisabled())
                .toStream().foreach((window, count) -> DONE.increment());
            default -> throw new IllegalArgumentException("--name ks-map | ks-count");
        }
        return builder;
    }

    private static Properties config(Map<String, String> options) {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, options.get("app"));
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("bootstrap"));
        config.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir") + "/" + options.get("app"));
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, options.get("threads"));
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.get("commit-ms"));
        config.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        return config;
    }

    private static void await(long n, KafkaStreams streams) throws InterruptedException {
        while (DONE.sum() < n) {
            if (streams.state() == KafkaStreams.State.ERROR || streams.state() == KafkaStreams.State.NOT_RUNNING) {
                throw new IllegalStateException("Kafka Streams ended after " + DONE.sum() + " records");
            }
            Thread.sleep(5);
        }
    }

    /** User and system time of this process: stream threads, clients, compiler and garbage collector. */
    private static double cpuSeconds() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
    }

    private static long peakBytes() throws Exception {
        return Files.readAllLines(Path.of("/proc/self/status")).stream().filter(line -> line.startsWith("VmHWM:"))
            .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024).findFirst().orElse(0);
    }
}
