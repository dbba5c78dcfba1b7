package import Glibc

/// Who a user of the system is.
package enum UserName {
    /// None: nobody is known by that number.
    package static func of(_ user: uid_t) -> String? {
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var text = [CChar](repeating: 0, count: 16 << 10)
        // Where that fails nothing is found.
        getpwuid_r(user, &entry, &text, text.count, &found)
        guard let name = found?.pointee.pw_name else { return nil }
        return String(cString: name)
    }
}
