import ForebayCore
import Testing

@testable import ForebaySpool

extension UnitTableTests {
    @Test(
        "a unit can be ended when all that is appended to it is there, and not before; only one that is known, and not ended, is appended to"
    )
    func endedWhileAppendedTo() async throws {
        let table = try self.open()
        try table.add([unit(1), unit(2)])
        for _ in 0..<3 { table.beginAppend([1, 2]) }
        for _ in 0..<3 { table.endAppend([1], [:]) }
        table.end(1)
        #expect(table.live.map(\.number) == [2])
        await #expect(processExitsWith: .failure) { try UnitTableTests.misuse { $0.beginAppend([1]) } }
        await #expect(processExitsWith: .failure) {
            try UnitTableTests.misuse { table in
                for _ in 0..<2 { table.beginAppend([1]) }
                table.endAppend([1], [:])
            }
        }
        await #expect(processExitsWith: .failure) {
            try UnitTableTests.misuse { table in
                table.end(1)
                table.beginAppend([1])
            }
        }
        await #expect(processExitsWith: .failure) { try UnitTableTests.misuse { $0.beginAppend([2]) } }
        await #expect(processExitsWith: .success) { try UnitTableTests.misuse { _ in } }
    }

    /// Ends a unit, after so much.
    private static func misuse(_ body: (UnitTable) -> Void) throws {
        let table = try UnitTableTests().open()
        try table.add([unit(1)])
        body(table)
        table.end(1)
    }
}
