/// Waits until a condition holds, letting other tasks run meanwhile, and after the first looks other threads and processes, too. For states
/// that give no signal; where there is one, wait for that.
///
/// - Returns: false if it did not come to hold in time, so that a test says `#expect(await eventually { … })`.
package func eventually(within limit: Duration = .seconds(10), _ condition: () async -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + limit
    var looks = 0
    while ContinuousClock.now < deadline {
        if await condition() { return true }
        looks += 1
        // Cancelled by the test's time limit, which looks once more.
        if looks < 100 { await Task.yield() } else { try? await Task.sleep(for: .milliseconds(1)) }
    }
    return await condition()
}
