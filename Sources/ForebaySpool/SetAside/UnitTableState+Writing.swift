import ForebayCore

/// How an entry stands in its pair of slots.
extension UnitTableState.Entry {
    func writeSlot(_ file: any DiskFile, _ log: SpoolID) throws(ForebayError) {
        let outcome = withUnsafeTemporaryAllocation(byteCount: Slot.size, alignment: 8) { bytes in
            Result { () throws(ForebayError) in
                self.encode(log, to: bytes.baseAddress!)
                let place = self.pair * UnitPair.size + Int(self.generation % 2) * SpoolFormat.block
                try file.write(UnsafeRawBufferPointer(bytes), at: place)
            }
        }
        try outcome.get()
    }

    /// Both slots: what one of them held before must not count if the other is lost.
    func writeWhole(_ file: any DiskFile, _ log: SpoolID) throws(ForebayError) {
        var entry = self
        var bytes = [UInt8](repeating: 0, count: UnitPair.size)
        bytes.withUnsafeMutableBytes { bytes in
            for _ in 0..<2 {
                entry.generation += 1
                let block = bytes.baseAddress! + Int(entry.generation % 2) * SpoolFormat.block
                entry.encode(log, to: block)
                UnitIdentity(entry.unit).encode(to: block)
            }
        }
        try file.write(bytes, at: entry.pair * UnitPair.size)
    }

    private func encode(_ log: SpoolID, to slot: UnsafeMutableRawPointer) {
        Slot(
            .unit, log: log, generation: self.generation, value: self.unit.settled,
            ordinal: UInt64(bitPattern: self.unit.oldestAcceptedAt), owner: self.unit.number, isEnded: self.isEnded
        ).encode(to: slot)
    }
}
