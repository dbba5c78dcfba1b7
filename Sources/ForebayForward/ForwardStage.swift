package import ForebayCore
package import ForebayDelivery

/// Delivers one route's events to the main Kafka: a thin stage over a ``DeliveryEngine``, on whose loop it lives.
package actor ForwardStage: Stage {
    private let engine: DeliveryEngine

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.engine.unownedExecutor }
    package nonisolated var facts: [Fact] { self.engine.facts }

    package init(_ engine: DeliveryEngine) {
        self.engine = engine
    }

    package func run() async throws {
        try await self.engine.run()
    }

    package func drain() async {
        await self.engine.drain()
    }
}
