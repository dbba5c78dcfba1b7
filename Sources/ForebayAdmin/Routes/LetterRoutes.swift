import ForebayCore
import ForebayHTTP

extension AdminRoutes {
    static let letterMethods = "GET, HEAD, DELETE, OPTIONS"

    /// `GET`: a list. `DELETE`: those that are meant are removed.
    func deadLettersOrRemoval(_ request: AdminRequest) async -> HTTPResponse {
        guard request.method == .delete else { return await self.deadLetters(request) }
        return await self.work(.remove, request)
    }

    /// `POST …/replay`: those that are meant are sent once more.
    func replay(_ request: AdminRequest) async -> HTTPResponse { await self.work(.replay, request) }

    private func work(_ action: LetterAction, _ request: AdminRequest) async -> HTTPResponse {
        let selection: LetterSelection
        do throws(LetterSelection.Fault) {
            selection = try LetterSelection(request.query)
        } catch {
            return .badParameter(error.parameter, error.wanted)
        }
        do throws(ForebayError) {
            let answer = try await self.node.work(action, selection)
            if case .done(let outcome) = answer { return .json(outcome.document) }
            let refusal = answer.refusal ?? (500, "internal", "")
            return ProblemDetails(status: refusal.status, code: refusal.code, detail: refusal.detail).response(to: nil)
        } catch {
            return ProblemDetails(status: 500, code: error.code.description, detail: error.description).response(to: nil)
        }
    }
}
