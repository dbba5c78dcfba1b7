package import ForebayCore

extension DeliveryWaiters {
    /// As a delivering stage tells of an event of the spool.
    package func settled(_ sequence: UInt64, _ settlement: Settlement) {
        self.settled(Offset(lane: .spool(.none), number: sequence), settlement)
    }

    package func setAside(_ sequence: UInt64) {
        self.setAside(Offset(lane: .spool(.none), number: sequence))
    }
}
