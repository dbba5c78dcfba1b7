import Testing

@testable import ForebayTestKit

@Suite("A folder that is away for a while")
struct FolderAbsenceTests {
    /// Takes `/a/b` away, and puts something in its place.
    private func intrusions(standIn: SimulatedFolder?, _ node: SimulatedFolder.Node?) -> [String] {
        var absence = FolderAbsence()
        let (parent, folder) = (SimulatedFolder(), SimulatedFolder())
        absence.begin(FolderAway(path: "/a/b", folder: folder, parent: parent, name: "b", standIn: standIn))
        if let node { parent.change(.init(number: 1, changes: [("b", node)], partner: nil)) }
        #expect(absence.away?.folder === folder && absence.moves == 1 && absence.intrusions.isEmpty)
        #expect(absence.end()?.folder === folder && absence.away == nil && absence.end() == nil && absence.moves == 2)
        return absence.intrusions
    }

    @Test("what is made in its place is told when it comes back; nothing, or what stands in for it and is empty, is none")
    func intrusions() {
        #expect(self.intrusions(standIn: nil, nil).isEmpty)
        let empty = SimulatedFolder()
        #expect(self.intrusions(standIn: empty, .folder(empty)).isEmpty)
        #expect(self.intrusions(standIn: nil, .folder(SimulatedFolder())) == ["a folder in the place of /a/b"])
        #expect(self.intrusions(standIn: empty, .folder(SimulatedFolder())) == ["a folder in the place of /a/b"])
        #expect(self.intrusions(standIn: nil, .file(SimulatedInode(number: 1))) == ["a file in the place of /a/b"])
        let used = SimulatedFolder()
        used.change(.init(number: 1, changes: [("y", .file(SimulatedInode(number: 1))), ("x", .folder(empty))], partner: nil))
        #expect(self.intrusions(standIn: used, .folder(used)) == ["x, y in the place of /a/b"])
    }

    @Test("the folders in use are those of one process")
    func inUse() {
        var absence = FolderAbsence()
        let folder = SimulatedFolder()
        absence.use(folder, at: "/a")
        absence.use(folder, at: "/a")
        #expect(absence.inUse.count == 1 && absence.inUse["/a"] === folder)
        absence.processEnded()
        #expect(absence.inUse.isEmpty && absence.moves == 0)
    }
}
