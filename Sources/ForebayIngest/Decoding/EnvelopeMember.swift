/// The members that an envelope may have.
enum EnvelopeMember: UInt16, CaseIterable {
    case id = 1
    case key = 2
    case keyBase64 = 4
    case value = 8
    case valueBase64 = 16
    case headers = 32
    case timestamp = 64
    case partition = 128
    case topic = 256

    /// - Parameter name: unescaped.
    @inline(__always)
    init?(named name: UnsafeRawBufferPointer) {
        switch name.count {
        case 2 where name.equals("id"): self = .id
        case 3 where name.equals("key"): self = .key
        case 5:
            if name.equals("value") {
                self = .value
            } else if name.equals("topic") {
                self = .topic
            } else {
                return nil
            }
        case 7 where name.equals("headers"): self = .headers
        case 9:
            if name.equals("timestamp") {
                self = .timestamp
            } else if name.equals("partition") {
                self = .partition
            } else {
                return nil
            }
        case 10 where name.equals("key_base64"): self = .keyBase64
        case 12 where name.equals("value_base64"): self = .valueBase64
        default: return nil
        }
    }

    var pointer: String { "/\(self.name)" }

    var name: String {
        switch self {
        case .id: "id"
        case .key: "key"
        case .keyBase64: "key_base64"
        case .value: "value"
        case .valueBase64: "value_base64"
        case .headers: "headers"
        case .timestamp: "timestamp"
        case .partition: "partition"
        case .topic: "topic"
        }
    }
}
