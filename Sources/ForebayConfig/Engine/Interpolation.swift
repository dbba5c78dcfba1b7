import ForebayYAML

/// Resolves `${VAR}`, `${VAR:-default}` and `${file:path}` inside a value, after parsing, so that what they bring can't change the
/// document. `$${` is a literal `${`.
struct Interpolation {
    let environment: [String: String]
    let readText: (String) throws(ConfigurationValueProblem) -> String

    func resolve(_ text: String) throws(ConfigurationValueProblem) -> String {
        guard text.contains("${") else { return text }
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else {
                    throw ConfigurationValueProblem(message: "${ without }; write $${ for a literal ${")
                }
                result += try self.value(of: rest[rest.index(rest.startIndex, offsetBy: 2)..<end])
                rest = rest[rest.index(after: end)...]
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    private func value(of expression: Substring) throws(ConfigurationValueProblem) -> String {
        if expression.hasPrefix("file:") { return try self.readText(String(expression.dropFirst(5))) }
        let name = String(expression.prefix { $0 == "_" || ($0.isASCII && ($0.isLetter || $0.isNumber)) })
        let rest = expression.dropFirst(name.count)
        guard !name.isEmpty, name.first?.isNumber == false, rest.isEmpty || rest.hasPrefix(":-") else {
            throw ConfigurationValueProblem(
                message: "cannot read \(YAMLText.quoted("${" + expression + "}")); expected ${VAR}, ${VAR:-default} or ${file:path}")
        }
        let value = self.environment[name]
        if rest.isEmpty {
            guard let value else {
                throw ConfigurationValueProblem(message: "${\(name)} is not set; ${\(name):-default} gives a value for that case")
            }
            return value
        }
        return value.flatMap { $0.isEmpty ? nil : $0 } ?? String(rest.dropFirst(2))
    }
}
