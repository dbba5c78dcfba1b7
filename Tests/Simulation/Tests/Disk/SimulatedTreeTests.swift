import ForebayCore
import Testing

@testable import ForebayTestKit

@Suite("Names on a simulated disk")
struct SimulatedTreeTests {
    /// A file `/a/f` and an empty folder `/b`.
    private func tree() -> (tree: SimulatedTree, a: SimulatedFolder, b: SimulatedFolder) {
        var tree = SimulatedTree()
        let (a, b) = (SimulatedFolder(), SimulatedFolder())
        for (name, folder) in [("a", a), ("b", b)] { tree.change(name, in: tree.root, to: .folder(folder)) }
        tree.change("f", in: a, to: .file(SimulatedInode(number: tree.newNumber(), content: [1])))
        return (tree, a, b)
    }

    @Test("a path leads to a file, a folder, or the place where one could be")
    func finds() {
        var (tree, a, _) = self.tree()
        #expect(tree.folder("/") === tree.root && tree.folder("/a") === a && tree.folder("/a/f") == nil && tree.folder("/c") == nil)
        #expect(tree.file("/a/f")?.size == 1 && tree.file("/a") == nil && tree.file("/a/g") == nil && tree.file("/c/f") == nil)
        #expect(tree.place(of: "/a/g")?.folder === a && tree.place(of: "/a/g")?.name == "g" && tree.place(of: "/c/g") == nil)
        #expect(tree.files.map(\.path) == ["/a/f"])
    }

    @Test("where folders are elsewhere, their paths lead elsewhere once that is said")
    func foldersChange() {
        var (tree, a, b) = self.tree()
        #expect(tree.folder("/a") === a)
        tree.change(("a", nil), in: tree.root, ("c", .folder(a)), in: b)
        tree.foldersChanged()
        #expect(tree.folder("/a") == nil && tree.folder("/b/c") === a && tree.file("/b/c/f") != nil)
    }

    @Test("a file that changes its folder is in one of them after a cut, never in both or none; what is durable is there")
    func cuts() {
        var places: Set<[Bool]> = []
        for seed in 0..<50 as Range<UInt64> {
            var (tree, a, b) = self.tree()
            for folder in [a, b, tree.root] { folder.sync() }
            tree.changeDurably("g", in: b, to: .file(SimulatedInode(number: tree.newNumber())))
            tree.change(("f", nil), in: a, ("f", a.entries["f"]), in: b)
            var chance = SplitMix(seed: seed)
            tree.root.cut(&chance)
            #expect(tree.file("/b/g") != nil)
            places.insert(["/a/f", "/b/f"].map { tree.file($0) != nil })
        }
        #expect(places == [[true, false], [false, true]])
    }
}
