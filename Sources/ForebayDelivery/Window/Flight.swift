/// One event between its pull from the source and its settlement.
///
///     queued --sent--> sent --report--> settled
///        ^              |  `--refused alone--> becoming a dead letter --durable--> settled
///        `--not now, refused with others, producer gone
///
///     queued, sent --its unit is set aside--> being set aside --durable in the set-aside log--> settled
///
/// Flights are numbered from 0 in the order of the source. A number's low 32 bits name a flight: far fewer are in flight at once.
struct Flight {
    enum Status: UInt8 {
        case queued, sent, becomingDeadLetter, settingAside, settled
    }

    struct Flags: OptionSet {
        let rawValue: UInt8
        /// It goes out as a batch of its own, when nothing else of its partition is in flight.
        static let alone = Flags(rawValue: 1)
        /// A producer may have stored it before it was given up: sending it again may store it twice.
        static let mayBeStored = Flags(rawValue: 2)
        /// It goes out with the time of delivery, for its topic takes none as old as that of its acceptance.
        static let redated = Flags(rawValue: 4)
        /// It goes out without a header of ours that says when it was accepted.
        static let bare = Flags(rawValue: 8)
        /// The drain let go of it: it is settled only here, and stands in the log still.
        static let letGo = Flags(rawValue: 16)
    }

    /// Of the batch it lies in.
    var batch: UInt32
    /// Where its record begins in the batch.
    var record: UInt32
    /// The size of its record.
    var bytes: UInt32
    /// The flight behind it in its queue; meaningless in the last one.
    var next: UInt32 = 0
    /// The index of its partition; of its topic until it has one.
    var place: UInt32
    var status: Status = .queued
    var flags: Flags = []
}
