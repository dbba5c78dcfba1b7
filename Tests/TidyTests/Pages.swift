import Foundation

/// What pages and comments point to: links, headings, paths.
enum Pages {
    /// Links of a page that lead nowhere: to a file that is not there, or a heading that its page has not.
    ///
    /// - Parameter pages: by path, all that a link may name a heading of.
    static func brokenLinks(_ pages: [String: String], _ entries: Set<String>) -> [Violation] {
        let headings = pages.mapValues(Self.anchors)
        return pages.sorted { $0.key < $1.key }.flatMap { page, text in
            Self.unfenced(text).enumerated().flatMap { index, line in
                line.matches(of: /\]\((?<link>[^)\s]+)\)/).compactMap { match -> Violation? in
                    Self.fault(of: match.link, on: page, headings, entries).map { Violation(path: page, line: index + 1, reason: $0) }
                }
            }
        }
    }

    private static func fault(
        of link: Substring, on page: String, _ headings: [String: Set<String>], _ entries: Set<String>
    ) -> String? {
        if link.contains(/^[a-z]+:/) { return nil }  // Of another place, which no test asks.
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let target = parts[0].isEmpty ? page : Self.resolved(String(parts[0]), from: page)
        guard entries.contains(target) else { return "\(link) leads to no file" }
        guard parts.count == 2, let known = headings[target], !known.contains(String(parts[1])) else { return nil }
        return "\(link): \(target) has no such heading"
    }

    private static func resolved(_ path: String, from page: String) -> String {
        var parts = page.split(separator: "/").dropLast()
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return parts.joined(separator: "/")
    }

    /// What `#…` may say of a page: its headings as GitHub names them.
    static func anchors(_ text: String) -> Set<String> {
        var counts: [String: Int] = [:]
        return Set(
            Self.unfenced(text).compactMap { line in
                guard let heading = line.wholeMatch(of: /#+ +(?<words>.*?)\s*/)?.words else { return nil }
                let words = heading.replacing(/\[([^\]]*)\]\([^)]*\)/) { $0.1 }.lowercased()
                let name = String(words.filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }.map { $0 == " " ? "-" : $0 })
                defer { counts[name, default: 0] += 1 }
                return counts[name].map { "\(name)-\($0)" } ?? name
            })
    }

    /// The lines of a page, those of code blocks empty.
    static func unfenced(_ text: String) -> [Substring] {
        var isCode = false
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let isFence = line.drop { $0 == " " }.hasPrefix("```")
            if isFence { isCode.toggle() }
            return isCode || isFence ? "" : line
        }
    }

    /// Paths of this repository that a text names and that are not there. Patterns and examples (`<name>`, `*`, `…`) are no paths.
    static func missingPaths(_ file: String, _ lines: [String], _ entries: Set<String>) -> [Violation] {
        let path = /(?:^|[^\w\/.\-])(?<path>(?:Sources|Tests|docs|dev|Benchmarks)\/[\w.\/+*<>{}…\-]*)/
        return lines.enumerated().flatMap { index, line -> [Violation] in
            // Plain search first: a regex for each line costs seconds.
            guard Self.folders.contains(where: { line.contains($0) }) else { return [] }
            return line.matches(of: path).compactMap { match in
                let named = String(match.path)
                if named.contains(where: { "<>*{}…".contains($0) }) { return nil }
                let plain = String(named.reversed().drop { "./".contains($0) }.reversed())
                return entries.contains(plain) ? nil : Violation(path: file, line: index + 1, reason: "\(plain) is not there")
            }
        }
    }

    private static let folders = ["Sources/", "Tests/", "docs/", "dev/", "Benchmarks/"]

    /// The lines of a file in which paths are told: its comments, or all of a page.
    static func told(_ path: String, _ text: String) -> [String] {
        let lines = text.components(separatedBy: "\n")
        if path.hasSuffix(".md") { return lines }
        let mark = path.hasSuffix(".c") || path.hasSuffix(".h") ? "//" : "#"
        return lines.map { line in line.firstRange(of: mark).map { String(line[$0.lowerBound...]) } ?? "" }
    }
}
