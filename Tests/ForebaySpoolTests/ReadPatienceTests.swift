import ForebayTelemetry
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

@Suite("Disk: a read that fails for a moment")
struct ReadPatienceTests {
    /// A device whose time goes on by so many ms with each call.
    private final class Device: Sendable {
        private let state = Mutex((now: UInt64(0), calls: 0))
        let step: UInt64

        init(step: UInt64) { self.step = step * 1_000_000 }

        var calls: Int { self.state.withLock { $0.calls } }

        func now() -> UInt64 { self.state.withLock { $0.now } }

        func rests(_ milliseconds: UInt64) { self.rests(nanoseconds: milliseconds * 1_000_000) }

        func rests(nanoseconds: UInt64) { self.state.withLock { $0.now += nanoseconds } }

        /// - Parameter failures: how often a call fails at first.
        func call(_ patience: ReadPatience, failures: Int, _ number: Int32 = EIO, of file: String = "f") -> (
            result: Int, number: Int32, calls: Int
        ) {
            let before = self.calls
            let answer = patience.call(file) {
                self.state.withLock {
                    $0.now += self.step
                    $0.calls += 1
                    return $0.calls - before > failures ? (7, 0) : (-1, number)
                }
            }
            return (answer.result, answer.number, self.calls - before)
        }
    }

    private func patience(_ device: Device) -> ReadPatience {
        ReadPatience(limit: 1000, calm: 5000, now: { device.now() }, rest: { _ in })
    }

    @Test("between two tries it rests, for as long as it was told", arguments: [1, 100, 999] as [UInt64])
    func rests(_ pause: UInt64) {
        let device = Device(step: 0)
        let patience = ReadPatience(limit: 12 * pause, pause: pause, now: { device.now() }, rest: { device.rests(nanoseconds: $0) })
        #expect(device.call(patience, failures: .max) == (-1, EIO, 13))
        #expect(device.now() == 12 * pause * 1_000_000)
        #expect(device.call(patience, failures: 0, of: "g") == (7, 0, 1) && device.now() == 12 * pause * 1_000_000)
    }

    @Test("on a real device it rests for a moment, and says what the call says")
    func real() {
        let device = Device(step: 0)
        let began = ContinuousClock.now
        #expect(device.call(ReadPatience(pause: 20), failures: 3) == (7, 0, 4))
        #expect(ContinuousClock.now - began >= .milliseconds(60))
    }

    @Test("it is tried again for as long as patience lasts, and each spell anew")
    func spells() {
        let device = Device(step: 100)
        let patience = self.patience(device)
        for failures in [0, 1, 9, 5, 9] {
            #expect(device.call(patience, failures: failures) == (7, 0, failures + 1), "\(failures)")
        }
    }

    @Test("what is bad for good is waited for once; what of its file fails soon after at once, and after a calm it is waited for again")
    func bad() {
        let device = Device(step: 100)
        let patience = self.patience(device)
        #expect(device.call(patience, failures: .max) == (-1, EIO, 11))
        for _ in 0..<20 { #expect(device.call(patience, failures: .max) == (-1, EIO, 1)) }
        #expect(device.call(patience, failures: 0) == (7, 0, 1))
        #expect(device.call(patience, failures: 1) == (-1, EIO, 1), "sound places between bad ones are no calm")
        device.rests(2500)
        #expect(device.call(patience, failures: 1) == (-1, EIO, 1))
        device.rests(1500)
        #expect(
            device.call(patience, failures: 3) == (7, 0, 4), "a file that is tried again and again does not keep others waiting for ever")
        #expect(device.call(patience, failures: .max) == (-1, EIO, 11))
    }

    @Test("beside a file that is bad for good others are waited for, until there are several")
    func several() {
        let device = Device(step: 100)
        let patience = self.patience(device)
        #expect(device.call(patience, failures: .max) == (-1, EIO, 11))
        for _ in 0..<3 { #expect(device.call(patience, failures: 4, of: "g") == (7, 0, 5)) }
        for file in ["g", "h"] { #expect(device.call(patience, failures: .max, of: file) == (-1, EIO, 11)) }
        for file in ["f", "g", "h", "i"] { #expect(device.call(patience, failures: 1, of: file) == (-1, EIO, 1)) }
        device.rests(5000)
        #expect(device.call(patience, failures: 1, of: "i") == (7, 0, 2))
    }

    @Test("by default it waits for 20 s, to the nanosecond, and rests a tenth of a second at a time; a minute later it waits for all again")
    func defaults() {
        let state = Mutex((now: UInt64(0), next: [UInt64](), rests: [UInt64]()))
        let patience = ReadPatience(
            now: { state.withLock { $0.now } },
            rest: { time in
                state.withLock { state in
                    state.rests.append(time)
                    state.now = state.next.isEmpty ? state.now + 1 : state.next.removeFirst()
                }
            })
        /// How often it rests for a file that is bad for good, where the time goes on so.
        func rests(_ times: [UInt64]) -> Int {
            state.withLock { ($0.rests, $0.now, $0.next) = ([], times[0], Array(times.dropFirst())) }
            _ = patience.call("f") { (-1, EIO) }
            return state.withLock { state in
                #expect(state.rests.allSatisfy { $0 == 100_000_000 })
                return state.rests.count
            }
        }
        let limit: UInt64 = 20_000_000_000, calm: UInt64 = 60_000_000_000
        #expect(rests([0, limit - 1, limit]) == 2)
        #expect(rests([limit - 1 + calm]) == 0)
        #expect(rests([limit + calm, 2 * limit + calm]) == 1)
    }

    @Test("another error that comes meanwhile is told at once")
    func other() {
        let device = Device(step: 100), tries = Mutex(0)
        let answer = self.patience(device).call("f") {
            tries.withLock { tries in
                tries += 1
                return (-1, tries == 1 ? EIO : ESTALE)
            }
        }
        #expect(answer == (-1, ESTALE) && tries.withLock { $0 } == 2)
    }

    @Test("other errors are not waited for", arguments: [ENOENT, EINTR, ESTALE, EMFILE])
    func others(_ number: Int32) {
        let device = Device(step: 100)
        #expect(device.call(self.patience(device), failures: .max, number) == (-1, number, 1))
    }

    @Test("that it waits is told of when it begins, with for how long at most; and that the disk can be read again")
    func told() {
        let log = LogCapture()
        defer { log.close() }
        let device = Device(step: 100), file = UUID().uuidString
        let patience = ReadPatience(limit: 2500, calm: 5000, now: { device.now() }, rest: { _ in })
        func told() -> [String] {
            log.records(label: "disk").filter { $0["file"] == file && $0.level == .warning }.map { record in
                record.message.prefix { $0 != "(" && $0 != ";" } + (record["seconds"].map { "\($0) s" } ?? "")
            }
        }
        let (waits, isBack) = ("the disk can't be read 2 s", "the disk can be read again")
        for (failures, lines) in [(0, []), (1, [waits, isBack]), (5, [waits, isBack]), (.max, [waits]), (3, [])] as [(Int, [String])] {
            let before = told().count
            _ = device.call(patience, failures: failures, of: file)
            #expect(Array(told().dropFirst(before)) == lines, "\(failures)")
        }
    }

    @Test("it rests before each further try, and not behind the one that brings something")
    func restsBefore() {
        let seen = Mutex("")
        let patience = ReadPatience(limit: 1000, calm: 5000, pause: 1, now: { 0 }, rest: { _ in seen.withLock { $0 += "rest, " } })
        let tries = Mutex(0)
        let answer = patience.call("f") {
            seen.withLock { $0 += "try, " }
            return tries.withLock { tries in
                tries += 1
                return tries > 2 ? (7, 0) : (-1, EIO)
            }
        }
        #expect(answer == (7, 0) && seen.withLock { $0 } == "try, rest, try, rest, try, ")
    }

    @Test("a call that succeeds is no failure, whatever errno was left at")
    func errnoOfEarlier() {
        let device = Device(step: 100), patience = self.patience(device)
        #expect(patience.call("f") { (0, EIO) } == (0, EIO) && device.now() == 0)
        let tries = Mutex(0)
        let answer = patience.call("f") {
            tries.withLock { $0 += 1 }
            return (tries.withLock { $0 } > 1 ? 0 : -1, EIO)
        }
        #expect(answer == (0, EIO) && tries.withLock { $0 } == 2)
    }
}
