package import ForebayCore
package import ForebayDelivery

/// Delivers one route's events to a backup Kafka: a thin stage over a ``DeliveryEngine`` of its own, on whose loop it lives. It has a
/// cursor of its own, too, so it waits for nobody and holds up nobody.
package actor MirrorStage: Stage {
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
