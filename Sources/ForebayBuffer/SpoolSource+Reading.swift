import ForebayCore
import ForebaySpool
import ForebayTelemetry

/// Who reads.
extension SpoolSource {
    /// Reads what is not in memory any more, on a thread of its own: a cold disk holds up nobody else.
    actor BacklogReader {
        private let executor: any SerialExecutor
        private let isPatient: Bool

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(executor: any SerialExecutor, isPatient: Bool) {
            self.executor = executor
            self.isPatient = isPatient
        }

        func read(_ reader: SpoolReader, upTo bytes: Int) throws(ForebayError) -> [Batch] {
            try reader.readDisk(upTo: bytes, isPatient: self.isPatient)
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

        /// Where the device fails, others that read elsewhere don't wait for it.
        private func readDisk(_ reader: SpoolReader) async throws(ForebayError) -> [Batch] {
            if !reader.needsPatience {
                do throws(ForebayError) {
                    return try await self.disk.read(reader, upTo: Self.step)
                } catch {
                    guard error.isUnread else { throw error }
                }
            }
            return try await self.patient.read(reader, upTo: Self.step)
        }
    }
}
