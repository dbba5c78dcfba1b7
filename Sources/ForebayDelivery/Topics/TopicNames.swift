import Glibc

/// Topics by the bytes of their names, without making a string per event.
struct TopicNames {
    /// Indices into `names` by their hashes; below 0: free. Their number is a power of two, at least twice that of the names.
    private var cells = [Int32](repeating: .min, count: 1 << 6)
    private var names: [[UInt8]] = []
    private(set) var count = 0

    /// The index of a topic; none if it was not added.
    func index(of name: UnsafeRawBufferPointer) -> Int? {
        var cell = self.start(of: name)
        while self.cells[cell] >= 0 {
            let index = Int(self.cells[cell])
            if self.isName(name, of: index) { return index }
            cell = (cell + 1) & (self.cells.count - 1)
        }
        return nil
    }

    @inline(__always)
    func isName(_ name: UnsafeRawBufferPointer, of index: Int) -> Bool {
        self.names[index].withUnsafeBytes { known in
            known.count == name.count && memcmp(known.baseAddress!, name.baseAddress!, known.count) == 0
        }
    }

    /// Whether a topic has this index.
    func holds(_ index: Int) -> Bool { index < self.names.count && !self.names[index].isEmpty }

    /// Adds a name under an index that is free.
    mutating func add(_ name: UnsafeRawBufferPointer, at index: Int) {
        while self.names.count <= index { self.names.append([]) }
        self.names[index] = Array(name)
        self.count += 1
        if self.count * 2 > self.cells.count { self.rebuild(size: self.cells.count * 2) } else { self.insert(index) }
    }

    mutating func remove(_ indices: [Int]) {
        for index in indices { self.names[index] = [] }
        self.count -= indices.count
        self.rebuild(size: self.cells.count)
    }

    private mutating func rebuild(size: Int) {
        self.cells = [Int32](repeating: .min, count: size)
        for index in self.names.indices where !self.names[index].isEmpty { self.insert(index) }
    }

    private mutating func insert(_ index: Int) {
        var cell = self.names[index].withUnsafeBytes { self.start(of: $0) }
        while self.cells[cell] >= 0 { cell = (cell + 1) & (self.cells.count - 1) }
        self.cells[cell] = Int32(index)
    }

    /// Seeded by the process, so nobody can choose names that collide.
    private func start(of name: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: name)
        return hasher.finalize() & (self.cells.count - 1)
    }
}
