import Glibc

/// A call of the operating system that failed, by its `errno`.
package struct SystemCallFailure: Error, CustomStringConvertible {
    package let code: CInt

    package init(code: CInt) {
        self.code = code
    }

    package var description: String { String(cString: strerror(self.code)) }
}
