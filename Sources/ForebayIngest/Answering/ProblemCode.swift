/// Every reason for which ingest refuses a request, by the name that stands in the answer. The table of docs/reference/http-api.md.
package enum ProblemCode: String, CaseIterable, Sendable {
    case malformedJSON = "malformed_json"
    case emptyBody = "empty_body"
    case invalidTopic = "invalid_topic"
    case unknownParameter = "unknown_parameter"
    case invalidParameter = "invalid_parameter"
    case unknownHeader = "unknown_header"
    case repeatedHeader = "repeated_header"
    case idempotencyKeyUnsupported = "idempotency_key_unsupported"

    case reservedTopic = "reserved_topic"
    case originNotAllowed = "origin_not_allowed"

    case notFound = "not_found"
    case noRoute = "no_route"
    case methodNotAllowed = "method_not_allowed"

    case bodyTooLarge = "body_too_large"
    case eventTooLarge = "event_too_large"
    case tooManyEvents = "too_many_events"
    case requestTooLarge = "request_too_large"

    case unsupportedMediaType = "unsupported_media_type"
    case unsupportedCharset = "unsupported_charset"
    case unsupportedContentEncoding = "unsupported_content_encoding"
    case cloudEventsUnsupported = "cloudevents_unsupported"

    case keyForManyEvents = "key_for_many_events"
    case idForManyEvents = "id_for_many_events"
    case headerForEnvelopes = "header_for_envelopes"
    case invalidID = "invalid_id"
    case invalidTimestamp = "invalid_timestamp"
    case invalidPartition = "invalid_partition"
    case invalidHeader = "invalid_header"
    case reservedHeader = "reserved_header"
    case tooManyHeaders = "too_many_headers"
    case invalidKey = "invalid_key"
    case invalidText = "invalid_text"
    case invalidBase64 = "invalid_base64"
    case invalidEnvelope = "invalid_envelope"
    case unknownMember = "unknown_member"
    case repeatedMember = "repeated_member"
    case conflictingMembers = "conflicting_members"
    case invalidMember = "invalid_member"
    case missingTopic = "missing_topic"

    case refusedByKafka = "refused_by_kafka"

    case tooManyTopics = "too_many_topics"

    case starting
    case draining
    case overloaded
    case spoolFull = "spool_full"
    case clockNotSet = "clock_not_set"
    case unavailable
    case outcomeUnknown = "outcome_unknown"

    package var status: Int {
        switch self {
        case .malformedJSON, .emptyBody, .invalidTopic, .unknownParameter, .invalidParameter, .unknownHeader, .repeatedHeader,
            .idempotencyKeyUnsupported:
            400
        case .reservedTopic, .originNotAllowed: 403
        case .notFound, .noRoute: 404
        case .methodNotAllowed: 405
        case .bodyTooLarge, .eventTooLarge, .tooManyEvents, .requestTooLarge: 413
        case .unsupportedMediaType, .unsupportedCharset, .unsupportedContentEncoding, .cloudEventsUnsupported: 415
        case .keyForManyEvents, .idForManyEvents, .headerForEnvelopes, .invalidID, .invalidTimestamp, .invalidPartition, .invalidHeader,
            .reservedHeader, .tooManyHeaders, .invalidKey, .invalidText, .invalidBase64, .invalidEnvelope, .unknownMember, .repeatedMember,
            .conflictingMembers, .invalidMember, .missingTopic, .refusedByKafka:
            422
        case .tooManyTopics: 429
        case .starting, .draining, .overloaded, .spoolFull, .clockNotSet, .unavailable, .outcomeUnknown: 503
        }
    }

    /// Whether the same request may succeed later. Only of ours that say so with `Retry-After`.
    package var isRetryable: Bool { self.status == 503 || self.status == 429 }
}
