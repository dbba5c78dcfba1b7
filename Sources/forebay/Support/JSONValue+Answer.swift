import ForebayAdmin
import ForebayTelemetry

/// What a node that is down answers, by its folder.
extension JSONValue {
    init(of answer: some OperatorAnswer) throws(CommandFailure) {
        switch answer.result {
        case .success(let document): try self.init(answer: document.bytes)
        case .failure(let refusal): throw CommandFailure(.failure, refusal.detail)
        }
    }

    init(answer bytes: [UInt8]) throws(CommandFailure) {
        guard let value = JSONValue(bytes) else { throw CommandFailure(.internalError, "an answer that is no JSON") }
        self = value
    }
}
