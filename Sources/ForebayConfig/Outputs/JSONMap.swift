import ForebayTelemetry

/// A JSON object in the order in which it was filled.
struct JSONMap {
    private var entries: [(name: String, value: Value)] = []

    private indirect enum Value {
        case text(String)
        case map(JSONMap)
    }

    mutating func set(_ path: ArraySlice<String>, _ json: String) {
        let name = path.first!
        guard path.count > 1 else {
            self.entries.append((name, .text(json)))
            return
        }
        var index = self.entries.firstIndex { $0.name == name }
        if index == nil {
            self.entries.append((name, .map(JSONMap())))
            index = self.entries.count - 1
        }
        guard case .map(var map) = self.entries[index!].value else { return }
        map.set(path.dropFirst(), json)
        self.entries[index!].value = .map(map)
    }

    func text(indent: Int) -> String {
        let space = String(repeating: "  ", count: indent + 1)
        let lines = self.entries.map { entry in
            let value =
                switch entry.value {
                case .text(let json): json
                case .map(let map): map.text(indent: indent + 1)
                }
            return space + JSONText.quoted(entry.name) + ": " + value
        }
        return "{\n" + lines.joined(separator: ",\n") + "\n" + String(repeating: "  ", count: indent) + "}"
    }
}
