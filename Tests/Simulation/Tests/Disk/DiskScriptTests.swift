import Testing

@testable import ForebayTestKit

@Suite("What goes wrong on a simulated disk, by calls")
struct DiskScriptTests {
    /// What each of some calls meets.
    private func calls<Result>(
        _ count: Int, _ faults: [DiskFault], _ death: DiskDeath? = nil, _ body: (inout DiskScript) -> Result
    ) -> [Result] {
        var script = DiskScript()
        script.begin(faults, death)
        return (0..<count).map { _ in
            script.called(isWrite: false)
            return body(&script)
        }
    }

    @Test("a fault strikes so many calls that can meet it, from its own on; the first of the plan before others")
    func strikes() {
        let faults = [DiskFault(kind: .noSpace, call: 2, count: 2), DiskFault(kind: .writeFails, call: 1, count: 9)]
        #expect(self.calls(5, faults) { $0.strikes([.noSpace]) } == [nil, .noSpace, .noSpace, nil, nil])
        #expect(self.calls(4, faults) { $0.strikes([.writeFails, .noSpace]) } == [.writeFails, .noSpace, .noSpace, .writeFails])
        #expect(self.calls(2, faults) { $0.strikes([.readFails]) } == [nil, nil])
    }

    @Test("what lasts does so for its calls; the rest happens once")
    func events() {
        let eaten = [DiskFault(kind: .diskEaten, call: 2, count: 2)]
        #expect(self.calls(4, eaten) { $0.events() } == [[], [.diskEaten(isNew: true)], [.diskEaten(isNew: false)], []])
        let once = [DiskFault(kind: .clockJumps, call: 2, count: 3), DiskFault(kind: .fileVanishes, call: 2, count: 1)]
        #expect(self.calls(3, once) { $0.events() } == [[], [.clockJumps, .fileVanishes], []])
    }

    @Test("a folder goes away as soon as one can, and comes back when that is over, if it was away at all")
    func folders() {
        let away = [DiskFault(kind: .folderAway, call: 1, count: 3)]
        var looks = 0
        let events = self.calls(5, away) { script in
            looks += 1
            let events = script.events()
            if looks == 2 { script.took(0) }
            return events
        }
        #expect(events == [[.folderGoesAway(fault: 0)], [.folderGoesAway(fault: 0)], [], [.folderComesBack], []])
        #expect(self.calls(5, away) { $0.events() }.suffix(2) == [[], []], "none could")
    }

    @Test("a process ends at its call, or at the next write of the spool")
    func death() {
        let atCall = DiskDeath(kind: .kill, call: 2)
        #expect(self.calls(3, [], atCall) { $0.ending } == [nil, .kill, nil])
        var script = DiskScript()
        script.begin([], DiskDeath(kind: .powerCut, call: 2, isAtWrite: true))
        let endings = [true, false, true, true].map { isWrite in
            script.called(isWrite: isWrite)
            return script.ending
        }
        #expect(endings == [nil, nil, .powerCut, nil] && script.calls == 4)
    }

    @Test("with its process a plan is over; the calls are known until the next one begins")
    func ends() {
        var script = DiskScript()
        script.begin([DiskFault(kind: .noSpace, call: 1, count: 9)], DiskDeath(kind: .kill, call: 1))
        script.called(isWrite: false)
        script.heal()
        #expect(script.strikes([.noSpace]) == nil && script.events().isEmpty && script.ending == .kill)
        script.end()
        #expect(script.ending == nil && script.calls == 1)
        script.begin([], nil)
        #expect(script.calls == 0)
    }
}
