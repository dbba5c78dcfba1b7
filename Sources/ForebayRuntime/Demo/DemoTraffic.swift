import ForebayCore
package import ForebayHTTP

/// Posts made-up orders at a gentle rate, as a producer would: over HTTP, on a thread of its own, because the client blocks.
package actor DemoTraffic {
    private let thread = ThreadExecutor(label: "fb-demo")
    private let address: HTTPAddress
    private static let perSecond = 5

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    package init(address: HTTPAddress) {
        self.address = address
    }

    /// Posts until the task is cancelled.
    package func run() async {
        var client = HTTPClient(self.address)
        var generator = SystemRandomNumberGenerator()
        for number in 1... {
            do {
                try await Task.sleep(for: .milliseconds(1000 / Self.perSecond))
            } catch {
                return
            }
            // A post that fails is counted by the node; sample traffic is not worth repeating.
            _ = try? client.send(
                HTTPClientRequest(
                    method: "POST", target: "/v1/topics/\(Demo.topic)", headers: [("Content-Type", "application/json")],
                    body: Array(Self.order(number, using: &generator).utf8)))
        }
    }

    private static func order(_ number: Int, using generator: inout some RandomNumberGenerator) -> String {
        let item = ["tea", "coffee", "cocoa", "mate"].randomElement(using: &generator) ?? "tea"
        let cents = Int.random(in: 300...2500, using: &generator)
        return #"{"order_id":"o-\#(number)","item":"\#(item)","cents":\#(cents)}"#
    }
}
