/// Runs until it is cancelled, or once, whether or not anyone keeps a reference.
package protocol StageTimer: AnyObject {
    /// On the loop; harmless when called again.
    func cancel()
}
