/// What happens to a lane that its source had handed out.
package enum LaneChange: Sendable, Equatable {
    /// It goes to somebody else. Nothing more of it counts but what is in flight: that is waited for, and its cursor moved;
    /// then the source is told by ``EventSource/released(_:)``.
    case revoked(Lane)
    /// It is somebody else's already. Whatever becomes of what is in flight, its cursor is not moved any more.
    case lost(Lane)
}
