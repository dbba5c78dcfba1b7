/// Picks partitions as Java's clients do, so that a key lands where any other producer puts it.
package enum KafkaPartitioner {
    /// The partition of a key: `toPositive(murmur2(key)) % partitions`.
    package static func partition(of key: UnsafeRawBufferPointer, among count: Int32) -> Int32 {
        Int32(bitPattern: self.murmur2(key) & 0x7fff_ffff) % count
    }

    /// MurmurHash2, 32 bits, with the seed that Kafka's clients share.
    package static func murmur2(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let multiplier: UInt32 = 0x5bd1_e995
        var hash = 0x9747_b28c ^ UInt32(truncatingIfNeeded: bytes.count)
        let whole = bytes.count & ~3
        var place = 0
        while place < whole {
            var word = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
            word = word &* multiplier
            word ^= word >> 24
            hash = (hash &* multiplier) ^ (word &* multiplier)
            place += 4
        }
        var shift: UInt32 = 0
        var tail: UInt32 = 0
        while place < bytes.count {
            tail |= UInt32(bytes[place]) << shift
            shift += 8
            place += 1
        }
        if shift > 0 { hash = (hash ^ tail) &* multiplier }
        hash = (hash ^ (hash >> 13)) &* multiplier
        return hash ^ (hash >> 15)
    }
}
