#ifndef FOREBAY_RDKAFKA_SHIM_H
#define FOREBAY_RDKAFKA_SHIM_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>

/* Readable when a queue has something; -1 when there are no descriptors left. */
static inline int forebay_wakeup(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/* Swift can't call variadic functions, and building an array of tags for rd_kafka_produceva costs more than the call:
 * so the calls that run once per event stand here, inlined into the loop that makes them. */

/* One event, as the sender sees it. The value's bytes must live until the event's report; all else is copied. */
typedef struct {
    const void *key;     /* NULL: no key */
    size_t key_length;
    const void *value;   /* NULL: a tombstone */
    size_t value_length;
    const void *id;      /* of the header forebay-id */
    size_t id_length;
    const void *headers; /* the user's: for each u16 length, name, u32 length (0xFFFFFFFF: null), value, little-endian */
    size_t headers_length;
    int64_t timestamp;   /* milliseconds since 1970; 0 is librdkafka's "now" */
    uint64_t token;      /* comes back in the report */
    int32_t partition;
} forebay_record;

/* What became of one event. */
typedef struct {
    uint64_t token;
    int64_t offset;
    int32_t partition;
    int32_t error;
    int32_t status; /* rd_kafka_msg_status_t */
} forebay_report;

/* The id first, then the user's headers in their order. NULL if a length doesn't fit. */
static inline rd_kafka_headers_t *forebay_headers(const forebay_record *record) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    rd_kafka_header_add(headers, "forebay-id", 10, record->id, (ssize_t)record->id_length);
    const uint8_t *next = (const uint8_t *)record->headers, *end = next + record->headers_length;
    while (end - next >= 6) {
        uint16_t name_length;
        uint32_t value_length;
        memcpy(&name_length, next, 2);
        if (end - next < 6 + (ptrdiff_t)name_length) break;
        const uint8_t *name = next + 2;
        memcpy(&value_length, name + name_length, 4);
        next = name + name_length + 4;
        if (value_length == UINT32_MAX) {
            rd_kafka_header_add(headers, (const char *)name, name_length, NULL, 0);
            continue;
        }
        if ((ptrdiff_t)value_length > end - next) break;
        rd_kafka_header_add(headers, (const char *)name, name_length, next, (ssize_t)value_length);
        next += value_length;
    }
    if (next == end) return headers;
    rd_kafka_headers_destroy(headers);
    return NULL;
}

/* Queues one event. */
static inline rd_kafka_resp_err_t forebay_send(rd_kafka_t *client, rd_kafka_topic_t *topic, const forebay_record *record) {
    if (record->headers_length == 0) {
        return rd_kafka_producev(client, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record->partition),
                                 RD_KAFKA_V_TIMESTAMP(record->timestamp), RD_KAFKA_V_KEY(record->key, record->key_length),
                                 RD_KAFKA_V_VALUE((void *)record->value, record->value_length),
                                 RD_KAFKA_V_HEADER("forebay-id", record->id, (ssize_t)record->id_length),
                                 RD_KAFKA_V_OPAQUE((void *)(uintptr_t)record->token), RD_KAFKA_V_END);
    }
    rd_kafka_headers_t *headers = forebay_headers(record);
    if (!headers) return RD_KAFKA_RESP_ERR__INVALID_ARG;
    rd_kafka_resp_err_t error =
        rd_kafka_producev(client, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record->partition),
                          RD_KAFKA_V_TIMESTAMP(record->timestamp), RD_KAFKA_V_KEY(record->key, record->key_length),
                          RD_KAFKA_V_VALUE((void *)record->value, record->value_length), RD_KAFKA_V_HEADERS(headers),
                          RD_KAFKA_V_OPAQUE((void *)(uintptr_t)record->token), RD_KAFKA_V_END);
    if (error) rd_kafka_headers_destroy(headers); /* Ours again only when refused. */
    return error;
}

/* Moves reports out of a delivery event, at most `capacity`; 0 when there are no more. */
static inline size_t forebay_take_reports(rd_kafka_event_t *event, forebay_report *reports, size_t capacity) {
    size_t count = 0;
    const rd_kafka_message_t *message;
    while (count < capacity && (message = rd_kafka_event_message_next(event))) {
        reports[count++] = (forebay_report){.token = (uint64_t)(uintptr_t)message->_private,
                                            .offset = message->offset,
                                            .partition = message->partition,
                                            .error = message->err,
                                            .status = message->err ? (int32_t)rd_kafka_message_status(message) : 2};
    }
    return count;
}

#endif
