import Testing

@testable import ForebayCore

@Suite("DeliveryName: one name for cursor, folders and commands")
struct DeliveryNameTests {
    private static let names = DeliveryName.Stage.allCases.flatMap { stage in
        ["orders", "a-b_C", "team/orders", "x@y", "mirror", "forward"].map { DeliveryName(stage, of: $0) }
    }

    @Test("what is written is read again", arguments: Self.names)
    func roundTrip(name: DeliveryName) {
        #expect(DeliveryName(cursor: name.cursor) == name)
        if !name.route.contains("@") || name.stage != .forward { #expect(DeliveryName(folder: name.folder) == name) }
        if !name.route.contains("/") || name.stage != .forward { #expect(DeliveryName(name.description) == name) }
    }

    @Test("names as they stand on disk, and as users write them")
    func texts() {
        let mirror = DeliveryName(.mirror, of: "orders"), forward = DeliveryName(.forward, of: "orders")
        #expect([mirror.cursor, forward.cursor] == ["mirror/orders", "forward/orders"])
        #expect([mirror.folder, forward.folder] == ["orders@mirror", "orders"])
        #expect(["\(mirror)", "\(forward)"] == ["orders/mirror", "orders"])
        #expect(DeliveryName("orders/forward") == forward)
    }

    @Test("what is none", arguments: ["", "/mirror", "orders/", "orders/nowhere"])
    func none(text: String) {
        #expect(DeliveryName(text) == nil)
    }

    @Test("cursors of no delivery", arguments: ["", "orders", "nowhere/orders", "forward/"])
    func noCursor(text: String) {
        #expect(DeliveryName(cursor: text) == nil)
    }

    @Test("a folder that says no stage is its route's, whatever it is called")
    func folders() {
        #expect(DeliveryName(folder: "x@y") == DeliveryName(.forward, of: "x@y"))
        #expect(DeliveryName(folder: "orders@mirror") == DeliveryName(.mirror, of: "orders"))
    }

    @Test("by route, the forward first")
    func order() {
        let sorted = [DeliveryName(.mirror, of: "b"), DeliveryName(.archive, of: "a"), DeliveryName(.forward, of: "b")].sorted()
        #expect(sorted.map(\.description) == ["a/archive", "b", "b/mirror"])
    }
}
