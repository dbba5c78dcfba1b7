import ForebayCore

/// What is found in a log from outside.
extension SpoolInspection {
    package struct Segment: Sendable {
        package let number: UInt64
        package let file: String
        package let base: UInt64
        package let end: UInt64
        package let bytes: Int
        package let isSealed: Bool
        /// ms since 1970.
        package let madeAt: Int64
    }

    package struct Cursor: Sendable {
        package let name: String
        package let sequence: UInt64
        /// Whose events it counts.
        let routes: [RouteID]
    }

    /// Something wrong with acknowledged data.
    package struct Problem: Sendable {
        package let file: String
        package let position: Int
        /// Empty where no sequence can be named.
        package let missing: Range<UInt64>
        package let reason: String

        init(file: String, position: Int, missing: Range<UInt64>, reason: String) {
            self.file = file
            self.position = position
            self.missing = missing
            self.reason = reason
        }

        /// No place in the file can be named.
        init(file: String, reason: String) {
            self.init(file: file, position: 0, missing: 0..<0, reason: reason)
        }
    }

    /// What ``verify()`` found.
    package struct Verdict: Sendable {
        package var segments = 0
        package var frames = 0
        package var events: UInt64 = 0
        package var bytes = 0
        package var problems: [Problem] = []

        mutating func add(_ other: Verdict) {
            self.segments += other.segments
            self.frames += other.frames
            self.events += other.events
            self.bytes += other.bytes
            self.problems += other.problems
        }
    }
}
