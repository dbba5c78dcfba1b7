package import ForebayCore

/// A thin stage over a ``DeliveryEngine``, on whose loop it lives.
package protocol DeliveryStage: Stage {
    nonisolated var engine: DeliveryEngine { get }
}

extension DeliveryStage {
    package nonisolated var facts: [Fact] { self.engine.facts }

    package func run() async throws {
        try await self.engine.run()
    }

    package func drain() async {
        await self.engine.drain()
    }
}
