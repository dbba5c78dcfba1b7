import ForebayCore
import ForebaySpool
import ForebayTelemetry

/// Who reads.
extension SpoolSource {
    /// Reads what is not in memory any more, on a thread of its own: a cold disk holds up nobody else.
    actor BacklogReader {
        private let executor: any SerialExecutor

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(executor: any SerialExecutor) { self.executor = executor }

        func read(_ reader: SpoolReader, upTo bytes: Int) throws(ForebayError) -> [Batch] { try reader.readDisk(upTo: bytes) }

        func readImpatiently(_ reader: SpoolReader, upTo bytes: Int) throws(ForebayError) -> [Batch]? {
            try reader.readImpatiently(upTo: bytes)
        }
    }

    /// Hands over on the loop of the stage that delivers: what keeps up costs no hop.
    actor ReaderActor {
        private static let step = 1 << 20

        private let executor: any SerialExecutor
        private let disk, patient: BacklogReader
        private let logger = Logger(label: "reader")

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(executor: any SerialExecutor, disk: BacklogReader, patient: BacklogReader) {
            self.executor = executor
            self.disk = disk
            self.patient = patient
        }

        func read(into link: Link<Batch>, for source: SpoolSource) async {
            let cursor = source.spoolCursor
            let reader = source.spool.reader(of: cursor)
            defer { link.finish() }
            do {
                for await _ in source.spool.signals() {
                    while !Task.isCancelled {
                        let batches: [Batch]
                        if let recent = reader.readMemory(upTo: Self.step) {
                            batches = recent
                        } else {
                            batches = try await self.readDisk(reader)
                        }
                        for batch in batches {
                            for unsettled in try source.hand(batch, of: link) { try await link.send(unsettled) }
                        }
                        source.reached(reader.next, link)
                        if batches.isEmpty, reader.isCaughtUp { break }
                    }
                }
            } catch is CancellationError {
                return
            } catch {
                // The stage sees its input end, and is made anew from the cursor.
                source.failed(error, link)
                self.logger.error("reading the spool failed", ["cursor": cursor.name, "error": "\(error)"])
            }
        }

        /// Where the device fails, or something is lost, others that read elsewhere don't wait for it.
        private func readDisk(_ reader: SpoolReader) async throws -> [Batch] {
            var batches: [Batch]?
            if !reader.needsPatience { batches = try await self.disk.readImpatiently(reader, upTo: Self.step) }
            if batches == nil { batches = try await self.patient.read(reader, upTo: Self.step) }
            // It may have waited long: what it read for is over perhaps.
            try Task.checkCancellation()
            return batches ?? []
        }
    }
}
