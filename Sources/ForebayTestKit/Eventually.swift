/// Waits until a condition holds, letting other tasks run meanwhile. For states that give no signal; where there is one, wait for that.
///
/// - Returns: false if it did not come to hold in time, so that a test says `#expect(await eventually { … })`.
package func eventually(within limit: Duration = .seconds(10), _ condition: () async -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if await condition() { return true }
        await Task.yield()
    }
    return await condition()
}
