import CRDKafka
import Testing

@testable import ForebayKafka

@Suite("Kafka reports on their way")
struct KafkaReportsTests {
    private static func raw(_ tokens: Range<UInt64>, error: Int32 = 0, status: rd_kafka_msg_status_t) -> [forebay_report] {
        tokens.map { token in
            forebay_report(
                token: token, offset: Int64(token) * 10, partition: Int32(token % 3), error: error, status: Int32(status.rawValue))
        }
    }

    @Test("they are handed on as librdkafka told them, those taken last alone; only what is known not to be stored is said not to be")
    func handedOn() {
        var reports = KafkaReports()
        func all() -> [KafkaReport] {
            var all: [KafkaReport] = []
            reports.withAll { all = Array($0) }
            return all
        }
        #expect(all().isEmpty)
        Self.raw(4..<7, status: RD_KAFKA_MSG_STATUS_PERSISTED).withUnsafeBufferPointer { reports.take($0) }
        #expect(
            all()
                == (4..<7).map { KafkaReport(token: $0, offset: Int64($0) * 10, partition: Int32($0 % 3), error: .none, mayBeStored: true) }
        )
        let failed = KafkaErrorCode.purgedInFlight
        for (status, mayBeStored) in [(RD_KAFKA_MSG_STATUS_NOT_PERSISTED, false), (RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED, true)] {
            Self.raw(9..<10, error: failed.rawValue, status: status).withUnsafeBufferPointer { reports.take($0) }
            #expect(all() == [KafkaReport(token: 9, offset: 90, partition: 0, error: failed, mayBeStored: mayBeStored)])
        }
    }

    @Test("as many as are taken at once lie where the first ones lay: nothing is allocated on the way")
    func place() {
        var reports = KafkaReports()
        var places: Set<UnsafePointer<KafkaReport>?> = []
        for count in [1, UInt64(KafkaReports.atOnce), 7] {
            Self.raw(0..<count, status: RD_KAFKA_MSG_STATUS_PERSISTED).withUnsafeBufferPointer { reports.take($0) }
            reports.withAll {
                places.insert($0.baseAddress)
                #expect($0.count == Int(count))
            }
        }
        #expect(places.count == 1)
    }
}
