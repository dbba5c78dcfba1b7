import ForebayCore
package import ForebayDelivery

/// Delivers one route's events to the main Kafka: a thin stage over a ``DeliveryEngine``, on whose loop it lives.
package actor ForwardStage: DeliveryStage {
    package nonisolated let engine: DeliveryEngine

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.engine.unownedExecutor }

    package init(_ engine: DeliveryEngine) { self.engine = engine }
}
