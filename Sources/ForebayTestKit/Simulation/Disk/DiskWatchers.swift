/// Who is told of what happens on a ``SimulatedDisk``.
package struct DiskWatchers {
    /// What was done to names: what became of `from`, and its new name, if it has one.
    package var onName: ((_ from: String, _ to: String?) -> Void)?
    /// Somebody has deleted a file, perhaps the newest segment of all.
    package var onVanished: ((_ file: String, _ isNewest: Bool) -> Void)?
    package var onTruncate: ((_ path: String, _ size: Int) -> Void)?
}
