/// What decides when a segment of a log may go.
enum SpoolRetention: Sendable {
    /// When every cursor is durably past it: the spool.
    case cursors
    /// Never: dead letters.
    case everything
    /// When every unit with frames in it is durably past those, in any order of segments: what is set aside.
    case units(UnitTable)
}
