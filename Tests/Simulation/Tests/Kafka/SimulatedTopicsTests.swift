import ForebayKafka
import Testing

@testable import ForebayTestKit

@Suite("A simulated producer's open topics")
struct SimulatedTopicsTests {
    @Test("each is known by what its opening gave, until it is closed; no two are the same, not of one name either")
    func opens() {
        var topics = SimulatedTopics()
        let opened = ["b", "a", "b"].map { topics.open($0) }
        #expect(Set(opened.map(\.rawValue)).count == 3 && opened.map(topics.name) == ["b", "a", "b"] && topics.open == ["b", "a", "b"])
        topics.close(opened[0])
        topics.close(opened[0])
        #expect(topics.name(of: opened[0]) == nil && topics.name(of: opened[2]) == "b" && topics.open == ["a", "b"])
        let later = topics.open("c")
        #expect(!opened.contains(later) && topics.open == ["a", "b", "c"])
    }
}
