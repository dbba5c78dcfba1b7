import ForebayCore

extension JSONValue {
    /// Which delivery a row of an answer is of, as commands take it: `orders`, `orders/mirror`. None if it does not say.
    var delivery: String? {
        guard let route = self["route"]?.text else { return nil }
        // Nodes of an earlier version have forwards alone, and don't say so everywhere.
        let stage = self["stage"]?.text.flatMap { DeliveryName.Stage(rawValue: $0) } ?? .forward
        return DeliveryName(stage, of: route).description
    }

    /// Whether new events are refused for the sake of what it has not delivered, in a word.
    var required: String { self["required"].flatMap { $0 == .null ? nil : $0.isTrue ? "yes" : "no" } ?? "-" }
}

extension [JSONValue] {
    /// Of rows of deliveries: where none gives up anything, nobody needs to be told.
    var hiddenColumns: Set<String> { self.contains { $0["required"] == .boolean(false) } ? [] : ["REQUIRED", "GIVEN UP"] }
}
