import ForebayCore
import ForebayTestKit

/// What happens to the files of a node that is down: by a failing device, or by hand.
struct Damage: Sendable, CustomStringConvertible {
    enum Kind: String, Sendable, CaseIterable {
        case flippedBit, lostFile, emptiedFile, shortenedFile, strayCopy
        /// What another log, or another cursor, has in such a file: a mistake in putting something back.
        case foreignFile
        /// A log as a whole: it was left out of a copy, or lies on a disk that is not mounted.
        case lostFolder
    }

    /// Which files it is done to.
    enum Target: String, Sendable, CaseIterable { case newestSegment, anySegment, cursor, mark, registry, setAside, units, any }

    let kind: Kind
    let target: Target
    /// Picks the file and the place.
    let number: UInt64

    init(_ chance: inout SplitMix) {
        self.kind = Kind.allCases.randomElement(using: &chance)!
        self.target = Target.allCases.randomElement(using: &chance)!
        self.number = chance.next()
    }

    var description: String { "\(self.kind.rawValue) of \(self.target.rawValue)" }

    /// - Returns: the file that it was done to.
    ///
    /// - Parameter copies: files that earlier damage put there: they are nobody's.
    func apply(to disk: SimulatedDisk, folder: String, copies: Set<String>) -> String? {
        let files = disk.files.filter {
            $0.hasPrefix(folder + "/") && !$0.hasSuffix("/lock") && !$0.contains("/quarantine/") && !copies.contains($0)
        }
        if self.kind == .lostFolder { return self.loseFolder(of: files, disk) }
        let segments = files.filter { $0.hasSuffix(".segment") }
        let candidates: [String] =
            switch self.target {
            case .newestSegment: segments.suffix(1)
            case .anySegment: segments
            case .cursor: files.filter { $0.contains("/cursors/") }
            case .mark: files.filter { $0.hasSuffix("/mark") }
            case .registry: files.filter { $0.contains("/registry") }
            case .setAside: files.filter { $0.contains("/setaside/") }
            case .units: files.filter { $0.hasSuffix("/units") }
            case .any: files
            }
        guard !candidates.isEmpty else { return nil }
        let file = candidates[Int(self.number % UInt64(candidates.count))]
        let place = self.number >> 16
        switch self.kind {
        case .flippedBit: disk.flip(bit: place, of: file)
        case .lostFile: disk.lose(file)
        case .emptiedFile: disk.cut(file, to: 0)
        case .shortenedFile: disk.cut(file, to: Int(place % 1000), of: 1000)
        case .foreignFile: return Self.putForeign(file, on: disk, among: files, place)
        case .strayCopy:
            guard let slash = file.lastIndex(of: "/") else { return nil }
            let name = file[file.index(after: slash)...]
            // A name of its own, or another segment's that may come to be one day.
            let isNumbered = name.hasSuffix(".segment") && place % 2 == 0
            let copy = isNumbered ? String(name.prefix(8)) + "9" + name.dropFirst(9) : "old-\(name)"
            disk.copy(file, to: "\(file[...slash])\(copy)")
            return "\(file[...slash])\(copy)"
        case .lostFolder: return nil  // It is not one file.
        }
        return file
    }

    /// - Returns: the mark in it, which stands for all.
    private func loseFolder(of files: [String], _ disk: SimulatedDisk) -> String? {
        let marks = files.filter { $0.hasSuffix("/mark") && !$0.contains("/forgotten/") }
        guard !marks.isEmpty else { return nil }
        let mark = marks[Int(self.number % UInt64(marks.count))]
        disk.lose(folder: String(mark.dropLast("/mark".count)))
        return mark
    }

    /// A segment gets a free name in the folder, anything else is written over.
    private static func putForeign(_ file: String, on disk: SimulatedDisk, among files: [String], _ place: UInt64) -> String? {
        func folder(_ path: String) -> Substring { path[..<(path.lastIndex(of: "/") ?? path.startIndex)] }
        func name(_ path: String) -> Substring { path.split(separator: "/").last ?? "" }
        let isSegment = file.hasSuffix(".segment"), isCursor = file.contains("/cursors/")
        let donors = files.filter { other in
            guard other != file else { return false }
            if isSegment { return other.hasSuffix(".segment") && folder(other) != folder(file) }
            return isCursor ? other.contains("/cursors/") : name(other) == name(file)
        }
        guard !donors.isEmpty else { return nil }
        let donor = donors[Int(place % UInt64(donors.count))]
        guard isSegment else {
            disk.overwrite(file, with: donor)
            return file
        }
        let target = "\(folder(file))/\(name(donor))"
        guard !files.contains(target) else { return nil }
        disk.copy(donor, to: target)
        return target
    }
}
