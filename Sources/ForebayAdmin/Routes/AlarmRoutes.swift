import ForebayCore
import ForebayHTTP
package import ForebayTelemetry

extension AdminRoutes {
    static let alarmMethods = "GET, HEAD, DELETE, OPTIONS"

    /// `GET`: what was found lost or damaged and nobody has acknowledged. `DELETE`: somebody has seen it. Of one log or of all.
    func alarms(_ request: AdminRequest) async -> HTTPResponse {
        let log = request.value("log")
        do throws(ForebayError) {
            let isSeen = request.method == .delete
            let found = isSeen ? try await self.node.acknowledgeAlarms(log: log) : await self.node.alarms(log: log)
            guard let found else {
                return ProblemDetails(status: 404, code: "unknown_log", detail: "There is no log '\(log ?? "")'.").response(to: nil)
            }
            return .json(Self.document(of: found, isSeen ? "acknowledged" : "alarms"))
        } catch {
            return .failed(error)
        }
    }

    /// What is answered; also what is told of a node that is down.
    package static func document(of alarms: [AlarmStatus], _ name: String) -> JSONWriter {
        var json = JSONWriter(reserving: 1024)
        json.object { Self.write(alarms, name, to: &$0) }
        return json
    }

    static func write(_ alarms: [AlarmStatus], _ name: String, to json: inout JSONWriter) {
        json.array(name) { json in
            for alarm in alarms {
                json.object {
                    $0.field("kind", alarm.kind.rawValue)
                    $0.field("log", alarm.log)
                    $0.field("what", alarm.what)
                    $0.field("file", alarm.file)
                    $0.field("lost_first", alarm.lost?.lowerBound)
                    $0.field("lost_end", alarm.lost?.upperBound)
                    $0.field("lost_events", alarm.lostEvents)
                    $0.field("uncounted", alarm.losesUncounted)
                    $0.field("topic", alarm.topic)
                    $0.field("noticed_at", Timestamp.rfc3339(alarm.noticedAt))
                    $0.field("advice", alarm.advice)
                }
            }
        }
    }
}
