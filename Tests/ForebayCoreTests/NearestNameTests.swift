import ForebayTestKit
import Testing

@testable import ForebayCore

@Suite("Nearest name")
struct NearestNameTests {
    /// Insertions, deletions, substitutions, swaps of neighbours: by the definition, however slow.
    private static func distance(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
        guard let a = left.last, let b = right.last else { return left.count + right.count }
        var least = min(self.distance(left.dropLast(), right), self.distance(left, right.dropLast())) + 1
        least = min(least, self.distance(left.dropLast(), right.dropLast()) + (a == b ? 0 : 1))
        if left.count > 1, right.count > 1, a == right[right.endIndex - 2], b == left[left.endIndex - 2] {
            least = min(least, self.distance(left.dropLast(2), right.dropLast(2)) + 1)
        }
        return least
    }

    @Test("the nearest is what the definition says, and only if a third of the letters is right", arguments: 0..<8)
    func definition(seed: UInt64) {
        var generator = SplitMix(seed: seed)
        func word() -> String {
            String((0..<Int.random(in: 0...6, using: &generator)).map { _ in "abc".randomElement(using: &generator)! })
        }
        for _ in 0..<40 {
            let name = word(), known = [word(), word(), word()]
            let distances = known.map { Self.distance(Array(name.utf8)[...], Array($0.utf8)[...]) }
            let least = distances.min()!
            let expected = least <= max(1, name.utf8.count / 3) ? known[distances.firstIndex(of: least)!] : nil
            #expect(NearestName.of(name, among: known) == expected, "\(name) among \(known), at \(distances)")
        }
    }

    @Test(
        "how much may be wrong",
        arguments: [
            ("a", "b", true), ("a", "bc", false), ("ab", "cb", true), ("ab", "cd", false), ("abcde", "abcxx", false),
            ("abcdef", "abcdxx", true), ("abcd", "badc", false), ("abcd", "bacd", true),
            ("abcdef", "abcxxx", false), ("abcdefghi", "xxxdefghi", true), ("abcdefgh", "xxxdefgh", false), ("", "a", true),
            ("", "ab", false),
            ("TOPIC", "topic", true), ("tpoic", "Topic", true), ("ab", "ba", true), ("abxx", "baxx", true), ("xxab", "xxba", true),
            ("abcxxx", "bcaxxx", true),
        ])
    func near(name: String, known: String, isNear: Bool) {
        #expect(NearestName.of(name, among: [known]) == (isNear ? known : nil))
        #expect(NearestName.hint(name, among: [known]) == (isNear ? "; did you mean \"\(known)\"?" : ""))
    }

    @Test("of names that are as near the first is taken, and of none nothing is said")
    func first() {
        #expect(NearestName.of("ab", among: ["ax", "ay", "zb"]) == "ax")
        #expect(NearestName.of("ab", among: ["ax", "ab"]) == "ab")
        #expect(NearestName.of("ab", among: []) == nil && NearestName.hint("ab", among: []).isEmpty)
    }

    @Test("only the first 64 bytes are looked at, on both sides")
    func bounded() {
        let x = { String(repeating: "x", count: $0) }
        #expect(
            NearestName.of(x(64), among: [x(63), x(64) + String(repeating: "b", count: 40)]) == x(64) + String(repeating: "b", count: 40))
        #expect(NearestName.of(x(64) + "a", among: [x(63) + "a", x(64)]) == x(64))
        #expect(NearestName.of(x(64), among: [x(63), x(64)]) == x(64))
    }
}
