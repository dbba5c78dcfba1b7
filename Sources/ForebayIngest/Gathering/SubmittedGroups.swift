import ForebayCore
import ForebayNet
import ForebayTelemetry

/// The groups on their way to the buffer and with it. They reach it in the order in which they were submitted.
///
///     held --offered, room--> committing --settled, or too late--> settled
///       `-----------------not sent-----------------------------------^
///
/// The buffer's answer may come inside any call that lets go of a submission, and comes back to these groups: so whoever takes a submission
/// out gets it, and lets go of it himself.
struct SubmittedGroups: ~Copyable {
    typealias Held = (submission: Submission, group: PendingGroup)

    private let port: LinkPort<Submission>
    /// The room signal of `port`.
    private let room: Wake
    private let topics: UnsettledTopics
    private let submissions: Counter
    /// What the buffer had no room for yet, in order.
    private var held: [Held] = []
    private var heldTimer: Timer?
    /// What the buffer has, in the order in which it was handed over.
    private var committing: [PendingGroup] = []
    private var commitTimer: Timer?
    /// Groups that are not settled: held, or with the buffer.
    private var unsettled = 0

    init(_ port: LinkPort<Submission>, room: Wake, topics: UnsettledTopics, counted submissions: Counter) {
        self.port = port
        self.room = room
        self.topics = topics
        self.submissions = submissions
    }

    /// None is left that is not settled.
    var isEmpty: Bool { self.unsettled == 0 }

    /// - Parameter offer: called from any thread when the buffer may have room again.
    func begin(_ offer: @escaping @Sendable () -> Void) {
        self.room.set(offer)
    }

    // MARK: Held

    var isHolding: Bool { !self.held.isEmpty }
    /// There is an end to the wait for room.
    var isWaitingForRoom: Bool { self.heldTimer != nil }

    mutating func submit(_ submission: Submission, of group: PendingGroup) {
        self.held.append((submission, group))
        self.unsettled += 1
        self.submissions.increment()
    }

    /// A group that is not submitted, and has to be settled all the same.
    mutating func skip() {
        self.unsettled += 1
    }

    /// Offers the first that is held.
    ///
    /// - Returns: it, if the buffer has it now.
    mutating func offer() -> Held? {
        guard let first = self.held.first, case .accepted = self.port.offer(first.submission) else { return nil }
        return self.held.removeFirst()
    }

    mutating func waitForRoom(_ timer: Timer) {
        self.heldTimer = timer
    }

    mutating func stopWaitingForRoom() {
        self.heldTimer?.cancel()
        self.heldTimer = nil
    }

    /// Nothing is held any more.
    mutating func takeHeld() -> [Held] {
        self.stopWaitingForRoom()
        defer { self.held = [] }
        return self.held
    }

    // MARK: With the buffer

    /// The buffer has it, and has until then to make it durable: a disk that hangs answers nobody.
    ///
    /// - Returns: whether a timer is to be set: none is, for this one or one before it.
    mutating func commit(_ group: PendingGroup, by deadline: UInt64) -> Bool {
        guard !group.isSettled else { return false }
        group.expect(by: deadline)
        self.committing.append(group)
        return self.commitTimer == nil
    }

    mutating func watch(_ timer: Timer) {
        self.commitTimer = timer
    }

    /// The timer's time has come.
    mutating func timerFired() {
        self.commitTimer = nil
    }

    mutating func stopWatching() {
        self.commitTimer?.cancel()
        self.commitTimer = nil
    }

    /// When the buffer has had the first one long enough. None: it has none.
    var deadline: UInt64? { self.committing.first?.deadline }

    /// The first one, if the buffer has had it long enough.
    func late(at now: UInt64) -> PendingGroup? {
        guard let first = self.committing.first, first.deadline <= now else { return nil }
        return first
    }

    // MARK: Settled

    /// Its topics are settled with what is in front of its end.
    ///
    /// - Parameter firstSequences: of its batches. None: it was not stored.
    func settleTopics(of group: PendingGroup, _ firstSequences: [UInt64]?) {
        group.topics.settled(in: self.topics, end: firstSequences.flatMap { group.batches.end($0) })
    }

    /// Its requests have their answers, or wait for Kafka.
    mutating func settle(_ group: PendingGroup) {
        group.settle()
        // Nearly always the first.
        if let place = self.committing.firstIndex(where: { $0 === group }) { self.committing.remove(at: place) }
        self.unsettled -= 1
    }
}
