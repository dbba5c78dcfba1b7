import ForebayCore
import ForebayTestKit

/// All that a round will try, decided by its seed before it begins. Each part has a number, so that a failure can be tried with fewer of
/// them (``without``) and in the same order.
package struct RoundPlan: Sendable {
    /// A route through all its names. Others are removed and come back, this stays what the model counts.
    struct Line: Sendable {
        var names: [String]
        let cluster: Int
        /// Whether it has a mirror, as it is configured.
        var isMirrored = false
        var name: String { self.names.last! }
        /// What the configuration says under `formerly`.
        var formerly: [String] { Set(self.names).subtracting([self.name]).sorted() }

        init(names: [String], cluster: Int) { (self.names, self.cluster) = (names, cluster) }

        /// The first name of a line, the number of which tells the line in each name that it will have.
        static func firstName(_ line: Int) -> String { "r\(line)" }

        /// The delivery that has the side log that a path leads to, or into; none: it leads to no side log.
        static func delivery(ofSideLog path: String) -> LineDelivery? {
            let parts = path.split(separator: "/")
            guard let folder = parts.firstIndex(where: { $0 == "setaside" || $0 == "deadletters" }), folder + 1 < parts.count else {
                return nil
            }
            return Self.delivery(of: DeliveryName(folder: parts[folder + 1]))
        }

        static func delivery(of name: DeliveryName) -> LineDelivery? {
            Int(name.route.dropFirst().prefix { $0.isNumber }).map { LineDelivery($0, name.stage) }
        }
    }

    /// Somebody takes a segment away, and puts it back some lives later.
    struct Absence {
        /// Of a log of what is set aside, or of the spool.
        let isSetAside: Bool
        /// Picks one that is not the newest.
        let number: UInt64
        let isNewest: Bool
        /// So many lives go by without it.
        let lives: Int
    }

    /// An operator gives up what a removed route, or a removed mirror, left (`forebay routes forget`).
    struct Forgetting: Sendable {
        /// Its place among those that can be given up.
        let place: Int
        /// ms since the start of the process.
        let after: Int
    }

    struct Request: Sendable {
        let item: Int
        let producer: Int
        /// ms after the producer is done with the one before.
        let pause: Int
        let events: [Event]
    }

    struct Event: Sendable {
        let line: Int
        let topic: Int
        let key: Int
        let size: Int
    }

    /// One process, from its start to its end.
    struct Life: Sendable {
        /// As configured, in order.
        var lines: [Line]
        /// Which of the lines are configured, by their number, in order.
        var configured: [Int]
        var requests: [Request] = []
        var faults: [(item: Int, fault: DiskFault)] = []
        /// To the disk at rest, before the start.
        var damage: (item: Int, damage: Damage)?
        /// Begins before the start.
        var absence: (item: Int, absence: Absence)?
        var death: (item: Int, death: DiskDeath)?
        var troubles: [(item: Int, trouble: Trouble)] = []
        /// Whether the life waits until everything is delivered.
        var drains = false
        /// While it runs.
        var forgetting: (item: Int, forgetting: Forgetting)?
        /// Not a node: the command on the folder of one that is down, for the place of a delivery among those that can be given up.
        var forgetsStopped: (item: Int, place: Int)?
        /// When an operator looks at the folder beside the running node, in ms since its start.
        var looksAfter: Int?
        /// The backup cluster takes nothing from beginning to end, nothing else is wrong, and all forwards go on.
        var isBackupDead = false

        /// Lines that are not configured.
        var removed: [Int] { self.lines.indices.filter { !self.configured.contains($0) } }
    }

    package let seed: UInt64
    package private(set) var items = 0
    var lives: [Life] = []
    let segmentSize: Int
    let maxSize: Int
    let diskSize: Int
    let supportsDirect: Bool
    let recentBytes: Int
    let sharedReadBytes: Int
    let preparesNext: Bool
    /// Whether the real forward stages deliver to a simulated Kafka, or a stage that takes everything.
    let usesKafka: Bool
    /// Which events no broker of the main clusters takes: those whose number leaves this rest; none.
    let refusedRest: Int?
    /// The same of the backup cluster.
    let backupRefusedRest: Int?
    /// Whether some lines have a mirror in some lives.
    let hasMirrors: Bool
    /// Whether none of them must have everything.
    let isOptional: Bool
    /// Topics that are not there before the last life, by line.
    private(set) var lateTopics: [Int: Int] = [:]
    /// The same of the backup cluster.
    var lateBackupTopics: [Int: Int] = [:]
    /// Lines that ever have a mirror, by the number of the part.
    var mirrors: [Int: Int] = [:]
    /// Whether topics are closed for a while in most lives.
    private let setsAside: Bool
    /// Half of the rounds have no damage: what is named missing there is wrong.
    var isDamaged = false
    /// Whether nothing is left out.
    var isWhole = true

    /// - Parameter without: numbers of the parts to leave out.
    package init(seed: UInt64, without: Set<Int> = []) {
        self.seed = seed
        var chance = SplitMix(seed: seed &* 0x9E37_79B9_7F4A_7C15 ^ 0x5EED)
        self.segmentSize = [64 << 10, 64 << 10, 96 << 10, 128 << 10].randomElement(using: &chance)!
        self.usesKafka = Bool.random(using: &chance)
        // Drawn apart, as all of the mirrors.
        var backup = SplitMix(seed: seed ^ 0xBAC0)
        self.hasMirrors = Int.random(in: 0..<3, using: &backup) == 0
        let backupRefusedRest =
            self.hasMirrors && Int.random(in: 0..<4, using: &backup) == 0 ? Int.random(in: 0..<50, using: &backup) : nil
        self.isOptional = self.usesKafka && self.hasMirrors && Bool.random(using: &backup)
        // The reserve, a twentieth, must hold a segment of each side log; where it is too small no broker refuses anything.
        let maxSize = (self.usesKafka ? [96, 192] : [16, 32, 96, 192]).randomElement(using: &chance)!
        self.maxSize = self.segmentSize * (self.isOptional ? 8 : self.usesKafka && self.hasMirrors ? 192 : maxSize)
        self.diskSize = self.maxSize * [1, 2, 2, 4].randomElement(using: &chance)!
        self.supportsDirect = Int.random(in: 0..<4, using: &chance) > 0
        self.recentBytes = [0, 4 << 10, 64 << 10, 16 << 20].randomElement(using: &chance)!
        self.sharedReadBytes = [0, 16 << 10, 256 << 10, 16 << 20].randomElement(using: &chance)!
        self.preparesNext = Int.random(in: 0..<4, using: &chance) > 0
        let refusedRest = Int.random(in: 0..<3, using: &chance) == 0 ? Int.random(in: 0..<50, using: &chance) : nil
        (self.refusedRest, self.backupRefusedRest) = self.isOptional ? (nil, nil) : (refusedRest, backupRefusedRest)
        self.setsAside = self.usesKafka && Int.random(in: 0..<3, using: &chance) == 0
        self.make(&chance)
        self.standStill()
        self.takeAway()
        if self.hasMirrors { self.makeMirrors() }
        self.leaveOut(without)
    }

    private mutating func make(_ chance: inout SplitMix) {
        var lines = (0..<Int.random(in: 3...5, using: &chance)).map { Line(names: [Line.firstName($0)], cluster: $0 % 2) }
        var configured = Array(lines.indices)
        let lifeCount = Int.random(in: 3...5, using: &chance)
        let requests = Int.random(in: 200...260, using: &chance)
        let isDamaged = Bool.random(using: &chance)
        self.isDamaged = isDamaged
        var deaths = 0
        if self.usesKafka, Bool.random(using: &chance) {
            self.lateTopics[Int.random(in: 0..<3, using: &chance)] = Int.random(in: 0..<3, using: &chance)
            if self.setsAside { for line in 0..<3 { self.lateTopics[line] = Int.random(in: 0..<3, using: &chance) } }
        }
        for number in 0..<lifeCount {
            var life = Life(lines: lines, configured: configured)
            if number > 0, isDamaged, Bool.random(using: &chance) { life.damage = (self.item(), Damage(&chance)) }
            let share = requests / lifeCount + 1
            self.addRequests(share, to: &life, &chance)
            let faults = number == 0 ? Int.random(in: 1...2, using: &chance) : Int.random(in: 0...2, using: &chance)
            for _ in 0..<faults { life.faults.append((self.item(), Self.fault(isDamaged: isDamaged, &chance))) }
            if Int.random(in: 0..<3, using: &chance) > 0 || (number == lifeCount - 1 && deaths == 0) {
                let kind = DiskDeath.Kind.allCases.randomElement(using: &chance)!
                // A torn group is rare, and where most is decided.
                let isAtWrite = Bool.random(using: &chance)
                life.death = (self.item(), DiskDeath(kind: kind, call: Self.call(&chance), isAtWrite: isAtWrite))
                deaths += 1
            }
            for _ in 0..<[0, 1, 1, 2, 3].randomElement(using: &chance)! {
                life.troubles.append(
                    (self.item(), Trouble(lines: lines.count, usesKafka: self.usesKafka, deletes: self.refusedRest == nil, &chance)))
            }
            life.drains = Int.random(in: 0..<3, using: &chance) == 0
            if Int.random(in: 0..<3, using: &chance) == 0 {
                let forgetting = Forgetting(place: Int.random(in: 0..<8, using: &chance), after: Int.random(in: 0..<400, using: &chance))
                life.forgetting = (self.item(), forgetting)
            }
            if Int.random(in: 0..<4, using: &chance) == 0 { life.looksAfter = Int.random(in: 0..<300, using: &chance) }
            self.lives.append(life)
            Self.change(&lines, &configured, &chance)
            if Int.random(in: 0..<8, using: &chance) == 0 { self.addCommand(lines, configured, &chance) }
        }
        // The last one puts everything back and heals all.
        var last = Life(lines: lines, configured: lines.indices.shuffled(using: &chance))
        self.addRequests(Int.random(in: 0...8, using: &chance), to: &last, &chance)
        last.drains = true
        self.lives.append(last)
    }

    /// The command on a folder is a process like others: it may be killed, too.
    private mutating func addCommand(_ lines: [Line], _ configured: [Int], _ chance: inout SplitMix) {
        var life = Life(lines: lines, configured: configured)
        life.forgetsStopped = (self.item(), Int.random(in: 0..<8, using: &chance))
        if Int.random(in: 0..<3, using: &chance) == 0 {
            let kind = DiskDeath.Kind.allCases.randomElement(using: &chance)!
            life.death = (self.item(), DiskDeath(kind: kind, call: Int.random(in: 1...150, using: &chance)))
        }
        self.lives.append(life)
    }

    mutating func item() -> Int {
        self.items += 1
        return self.items
    }

    private mutating func addRequests(_ count: Int, to life: inout Life, _ chance: inout SplitMix) {
        let pace = [0, 0, 2, 30].randomElement(using: &chance)!
        // Each life has a favourite, so that others are idle.
        let favourite = life.configured.randomElement(using: &chance)!
        let favouriteTopic = Int.random(in: 0..<3, using: &chance)
        for _ in 0..<count {
            let events = (0..<[1, 1, 1, 2, 5, 12].randomElement(using: &chance)!).map { _ in
                let line = Int.random(in: 0..<3, using: &chance) == 0 ? life.configured.randomElement(using: &chance)! : favourite
                let size =
                    switch Int.random(in: 0..<200, using: &chance) {
                    case 0: Int.random(in: 1...3 * self.segmentSize, using: &chance)
                    case 1...10: Int.random(in: 1_000...24_000, using: &chance)
                    case 11...80: Int.random(in: 200...2_000, using: &chance)
                    default: Int.random(in: 16...200, using: &chance)
                    }
                let isFavourite = Int.random(in: 0..<3, using: &chance) > 0
                return Event(
                    line: line, topic: isFavourite ? favouriteTopic : Int.random(in: 0..<3, using: &chance),
                    key: Int.random(in: 0..<4, using: &chance), size: size)
            }
            life.requests.append(
                Request(
                    item: self.item(), producer: Int.random(in: 0..<4, using: &chance),
                    pause: pace == 0 ? 0 : Int.random(in: 0...pace, using: &chance), events: events))
        }
        // Much is set aside then, and units come to be empty while older ones wait.
        if self.setsAside, Int.random(in: 0..<4, using: &chance) > 0 {
            let length = [200, 2_000, 15_000].randomElement(using: &chance)!
            life.troubles.append(
                (self.item(), Trouble(.topicForbidden, line: favourite, topic: favouriteTopic, from: 0, length: length)))
        }
    }

    /// A call of a process: many at its start, where there is much to get wrong.
    private static func call(_ chance: inout SplitMix) -> Int {
        switch Int.random(in: 0..<4, using: &chance) {
        case 0: Int.random(in: 1...120, using: &chance)
        case 1: Int.random(in: 100...400, using: &chance)
        default: Int.random(in: 200...1_500, using: &chance)
        }
    }

    private static func fault(isDamaged: Bool, _ chance: inout SplitMix) -> DiskFault {
        let kinds = DiskFault.Kind.allCases.filter { isDamaged || !$0.damages }
        let kind = kinds.randomElement(using: &chance)!
        let count: Int =
            switch kind {
            case .noSpace, .tooManyFiles: [1, 1, 2, 10].randomElement(using: &chance)!
            case .diskEaten, .folderAway: Int.random(in: 1...600, using: &chance)
            case .readFails, .removeFails: Int.random(in: 1...4, using: &chance)
            default: 1
            }
        return DiskFault(kind: kind, call: self.call(&chance), count: count)
    }

    /// What an operator does to the configuration between two starts.
    private static func change(_ lines: inout [Line], _ configured: inout [Int], _ chance: inout SplitMix) {
        switch Int.random(in: 0..<8, using: &chance) {
        case 0:
            lines.append(Line(names: [Line.firstName(lines.count)], cluster: lines.count % 2))
            configured.insert(lines.count - 1, at: Int.random(in: 0...configured.count, using: &chance))
        case 1 where configured.count > 1, 2 where configured.count > 1:
            configured.remove(at: Int.random(in: 0..<configured.count, using: &chance))
        case 3:
            let gone = lines.indices.filter { !configured.contains($0) }
            if let back = gone.randomElement(using: &chance) { configured.insert(back, at: 0) }
        case 4:
            let line = configured.randomElement(using: &chance)!
            // Now and then it gets a name back that it had.
            let earlier = lines[line].formerly.randomElement(using: &chance)
            lines[line].names.append(Bool.random(using: &chance) ? earlier ?? "r\(line)-1" : "r\(line)-\(lines[line].names.count)")
        case 5: configured.shuffle(using: &chance)
        default: break
        }
    }
}
