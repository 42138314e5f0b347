/* Golden.java -- writes golden cases with Apache Kafka's own serialisers.
 *
 * usage: java -cp kafka-clients.jar:slf4j-api.jar Golden.java RANGES OUT
 *
 * messages.bin is the run with kafka-clients 3.9.0 and, of the run with 4.1.0, the cases that 3.9.0 does not know
 * (what both know is the same, byte by byte), by key, version and kind in the order below.
 *
 * RANGES has a line "key min max" per API. For each API, message, version that this Kafka knows, OUT gets
 *
 *     int16 key | int16 version | int8 kind | int32 size | bytes
 *
 * with kind: 0 request, 1 response, 2 request header, 3 response header; plus 16 for the case in which all that may be
 * null is null and arrays are empty, plus 32 for the full case with unknown tagged fields in every structure, which
 * follows the full case without them. */
import java.io.*;
import java.lang.reflect.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.MemoryRecords;

public class Golden {
    static final int FULL = 0, NULLS = 16, UNKNOWN = 32;
    static int next;
    static DataOutputStream out;

    static String camel(String snake) {
        StringBuilder b = new StringBuilder();
        for (int i = 0; i < snake.length(); i++) {
            char c = snake.charAt(i);
            if (c == '_' && i + 1 < snake.length()) b.append(Character.toUpperCase(snake.charAt(++i)));
            else b.append(c);
        }
        return b.toString();
    }

    /* The fields of this class in this version: name -> wire type. */
    static Map<String, org.apache.kafka.common.protocol.types.Type> fieldsOf(Class<?> type, int version) throws Exception {
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        Schema schema = version < schemas.length ? schemas[version] : null;
        Map<String, org.apache.kafka.common.protocol.types.Type> fields = new LinkedHashMap<>();
        if (schema == null) return fields;
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields) {
                java.lang.reflect.Field inside = TaggedFields.class.getDeclaredField("fields"); /* no getter in 3.9 */
                inside.setAccessible(true);
                for (Object o : ((Map<?, ?>) inside.get(field.def.type)).values()) {
                    org.apache.kafka.common.protocol.types.Field f = (org.apache.kafka.common.protocol.types.Field) o;
                    fields.put(camel(f.name), f.type);
                }
            } else {
                fields.put(camel(field.def.name), field.def.type);
            }
        }
        return fields;
    }

    static Object scalar(Class<?> type) {
        int n = ++next;
        if (type == boolean.class) return true;
        if (type == byte.class) return (byte) (n % 100 + 1);
        if (type == short.class) return (short) (n * 3 + 1);
        if (type == int.class || type == Integer.class) return n * 65537 + 1;
        if (type == long.class || type == Long.class) return n * 4294967297L + 1;
        if (type == String.class) return "s" + n;
        if (type == double.class) return n * 1.5;
        if (type == Uuid.class) return new Uuid(n * 1111111111111L, n * 2222222222222L);
        if (type == byte[].class) return ("bytes" + n).getBytes();
        if (type == ByteBuffer.class) return ByteBuffer.wrap(("buffer" + n).getBytes());
        return null;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    static Object fill(Object message, int version, int mode) throws Exception {
        Map<String, org.apache.kafka.common.protocol.types.Type> present = fieldsOf(message.getClass(), version);
        for (java.lang.reflect.Field f : message.getClass().getDeclaredFields()) {
            if (Modifier.isStatic(f.getModifiers()) || !present.containsKey(f.getName())) continue;
            f.setAccessible(true);
            Class<?> type = f.getType();
            boolean elr = f.getName().equals("eligibleLeaderReplicas") || f.getName().equals("lastKnownElr");
            if (mode == NULLS && present.get(f.getName()).isNullable() && !type.isPrimitive() && !elr) {
                f.set(message, null);
            } else if (Collection.class.isAssignableFrom(type)) {
                Collection list = elr || mode != NULLS || f.get(message) == null
                    ? (type == List.class ? new ArrayList() : (Collection) type.getDeclaredConstructor().newInstance())
                    : (Collection) f.get(message);
                list.clear();
                f.set(message, list);
                java.lang.reflect.Type generic = f.getGenericType();
                Class<?> element = generic instanceof ParameterizedType
                    ? (Class<?>) ((ParameterizedType) generic).getActualTypeArguments()[0]
                    : elementOf(type);
                if (mode == NULLS && !ApiMessage.class.isAssignableFrom(message.getClass())) continue;
                if (elr && mode == NULLS) continue;
                /* Null inside an element shows only if there is one: one level of elements stays. */
                for (int i = 0; i < (mode == NULLS ? 1 : 2); i++) {
                    Object s = scalar(element);
                    list.add(s != null ? s : fill(element.getDeclaredConstructor().newInstance(), version, mode));
                }
            } else if (BaseRecordsName(type)) {
                f.set(message, MemoryRecords.readableRecords(ByteBuffer.wrap(("records" + ++next).getBytes())));
            } else {
                Object s = scalar(type);
                if (s == null) {
                    Object inner = type.getDeclaredConstructor().newInstance();
                    s = mode == NULLS ? inner : fill(inner, version, mode);
                }
                if (mode != NULLS || !(s instanceof Message)) f.set(message, s);
            }
        }
        if (mode == UNKNOWN) {
            List<RawTaggedField> unknown = ((Message) message).unknownTaggedFields();
            unknown.add(new RawTaggedField(100, "unknown".getBytes()));
            unknown.add(new RawTaggedField(70000, new byte[130]));
        }
        return message;
    }

    static boolean BaseRecordsName(Class<?> type) {
        return type.getName().endsWith("record.BaseRecords");
    }

    static Class<?> elementOf(Class<?> collection) {
        return (Class<?>) ((ParameterizedType) collection.getGenericSuperclass()).getActualTypeArguments()[0];
    }

    static void put(int key, int version, int kind, Message message, int wireVersion) throws Exception {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        int size = message.size(cache, (short) wireVersion);
        ByteBuffer buffer = ByteBuffer.allocate(size);
        message.write(new ByteBufferAccessor(buffer), cache, (short) wireVersion);
        if (buffer.hasRemaining()) throw new IllegalStateException(message + " " + version);
        out.writeShort(key);
        out.writeShort(version);
        out.writeByte(kind);
        out.writeInt(size);
        out.write(buffer.array());
    }

    static Message fresh(ApiMessageType type, int kind) {
        return kind == 0 ? type.newRequest() : type.newResponse();
    }

    public static void main(String[] arguments) throws Exception {
        out = new DataOutputStream(new BufferedOutputStream(new FileOutputStream(arguments[1])));
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] words = line.split(" ");
            int key = Integer.parseInt(words[0]), min = Integer.parseInt(words[1]), max = Integer.parseInt(words[2]);
            ApiMessageType type = ApiMessageType.fromApiKey((short) key);
            for (int version = Math.max(min, type.lowestSupportedVersion()); version <= max; version++) {
                if (version >= type.requestSchemas().length) break;
                RequestHeaderData header = new RequestHeaderData().setRequestApiKey((short) key)
                    .setRequestApiVersion((short) version).setCorrelationId(0x01020304).setClientId("client");
                put(key, version, 2, header, type.requestHeaderVersion((short) version));
                put(key, version, 3, new ResponseHeaderData().setCorrelationId(0x01020304),
                    type.responseHeaderVersion((short) version));
                for (int kind = 0; kind < 2; kind++) {
                    next = 0;
                    put(key, version, kind, (Message) fill(fresh(type, kind), version, FULL), version);
                    boolean flexible = type.requestHeaderVersion((short) version) == 2;
                    next = 0;
                    if (flexible && version == max) {
                        Message unknown = (Message) fill(fresh(type, kind), version, UNKNOWN);
                        put(key, version, kind + UNKNOWN, unknown, version);
                    }
                    next = 0;
                    put(key, version, kind + NULLS, (Message) fill(fresh(type, kind), version, NULLS), version);
                }
            }
        }
        out.close();
    }
}
