/// Bounds of the buffer stage.
package struct BufferConfiguration: Sendable {
    /// Bytes of events that one sync takes at most, unless one submission is larger.
    package var groupBytes: Int
    /// Bytes that may wait between the reader of a route and the stage that delivers it.
    package var readAheadBytes: Int
    /// Bytes that a stage may have sent and not settled.
    package var windowBytes: Int

    package init(groupBytes: Int = 4 << 20, readAheadBytes: Int = 4 << 20, windowBytes: Int = 32 << 20) {
        self.groupBytes = groupBytes
        self.readAheadBytes = readAheadBytes
        self.windowBytes = windowBytes
    }
}
