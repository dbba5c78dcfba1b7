import ForebayCore
package import ForebayDelivery

/// Delivers one route's events to a backup Kafka: a thin stage over a ``DeliveryEngine`` of its own, on whose loop it lives. It has a
/// cursor of its own, too, so it waits for nobody and holds up nobody.
package actor MirrorStage: DeliveryStage {
    package nonisolated let engine: DeliveryEngine

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.engine.unownedExecutor }

    package init(_ engine: DeliveryEngine) { self.engine = engine }
}
