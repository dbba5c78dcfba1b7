import ForebayCore
import ForebayKafka
import Testing

@testable import ForebayDelivery

@Suite("Partition queues: order and counts, by themselves")
struct PartitionQueuesTests {
    private struct World {
        var window = InFlightWindow(eventOverhead: 0)
        var queues = PartitionQueues(seed: 1)
        let places: [Int]

        init(_ partitions: Int) {
            var queues = PartitionQueues(seed: 1)
            self.places = (0..<partitions).map { queues.add(PartitionState(topic: 0, number: Int32($0))) }
            self.queues = queues
        }

        /// - Returns: their flights.
        mutating func add(_ places: [Int], now: UInt64 = 100) -> [UInt32] {
            places.map { place in
                let flight = self.window.append(Flight(batch: 0, record: 0, bytes: 10, place: 0))
                self.queues.append(flight, to: place, in: &self.window, now: now)
                return flight
            }
        }

        mutating func send(_ place: Int, by slot: ProducerSlot = .main) -> UInt32 {
            let flight = self.queues.firstQueued(of: place, in: &self.window)
            self.queues.sent(flight, of: place, by: slot, in: &self.window)
            return flight
        }

        mutating func settle(_ flight: UInt32, of place: Int) {
            self.window.settle(flight)
            self.queues.removeSent(flight, of: place, in: &self.window)
        }
    }

    @Test("events go out in their order, and again from the oldest on after a failure")
    func order() {
        var world = World(2)
        #expect(world.add([0, 1, 0, 0, 1]) == [0, 1, 2, 3, 4])
        #expect([world.send(0), world.send(0), world.send(0)] == [0, 2, 3] && world.queues[0].events.queued == 0)
        #expect(world.queues[0].events.outstanding == 3 && world.queues[0].events.outstandingBytes == 30)
        world.settle(2, of: 0)
        world.queues.requeue(3, of: 0, in: &world.window)
        world.queues.requeue(0, of: 0, in: &world.window)
        let goesOn = world.queues.resume(0)
        #expect(goesOn && world.queues.unsettled(of: 0, in: world.window) == [0, 3])
        #expect([world.send(0), world.send(0)] == [0, 3])
        world.settle(0, of: 0)
        #expect(world.queues[0].events.oldest == 3 && world.queues.unsettled(of: 0, in: world.window) == [3])
        world.settle(3, of: 0)
        #expect(world.queues[0].events.unsettled == 0 && world.queues.unsettled(of: 1, in: world.window) == [1, 4])
        let isEmpty = !world.queues.resume(0)
        #expect(isEmpty)
    }

    @Test("an event that becomes a dead letter before it was sent leaves its queue, and those behind it stay")
    func queuedDies() {
        var world = World(1)
        _ = world.add([0, 0])
        world.window.divert(0, as: .becomingDeadLetter)
        world.queues.removeQueued(0, of: 0, in: &world.window)
        #expect(world.queues[0].events.queued == 1 && world.queues[0].events.oldest == 1 && world.send(0) == 1)
    }

    @Test(
        "one that was not taken while older ones are in flight may come back behind newer ones, and to another partition", arguments: 0..<2)
    func comesBack(place: Int) {
        var world = World(2)
        _ = world.add([0, 0, 0])
        #expect(world.send(0) == 0)
        world.window.divert(1, as: .becomingDeadLetter)
        world.queues.removeQueued(1, of: 0, in: &world.window)
        #expect(world.send(0) == 2 && world.queues.unsettled(of: 0, in: world.window) == [0, 2])
        world.window.divert(world.add([0])[0], as: .becomingDeadLetter)
        world.queues.removeQueued(3, of: 0, in: &world.window)
        for flight in [1, 3] as [UInt32] {
            world.window.requeue(flight)
            world.queues.append(flight, to: place, in: &world.window, now: 100)
        }
        #expect(world.add([0, 1]) == [4, 5])
        #expect(world.queues.unsettled(of: 0, in: world.window) == (place == 0 ? [0, 2, 1, 3, 4] : [0, 2, 4]))
        #expect(world.queues.unsettled(of: 1, in: world.window) == (place == 0 ? [5] : [1, 3, 5]))
        for flight in [0, 2] as [UInt32] { world.settle(flight, of: 0) }
        #expect(world.send(0) == (place == 0 ? 1 : 4) && world.send(1) == (place == 0 ? 5 : 1))
    }

    @Test("partitions are looked at in the order in which they were marked, each once, also those marked meanwhile")
    func ready() {
        var world = World(3)
        _ = world.add([2, 0, 2])
        #expect(world.queues.ready == [2, 0] && world.queues.takeReady() == 2)
        world.queues.markReady(1)
        world.queues.markReady(2)
        world.queues.markReady(1)
        #expect((0..<4).map { _ in world.queues.takeReady() } == [0, 1, 2, nil] && !world.queues.hasReady)
        world.queues.markReady(allOf: world.places)
        #expect(world.queues.ready == [0, 2], "of those that have something queued")
    }

    @Test("one that backs off is looked at when its time has come, and no sooner")
    func backsOff() {
        var world = World(2)
        world.queues.backOff(0, until: 50)
        world.queues.backOff(1, until: 40)
        world.queues.wakeDue(now: 39)
        #expect(!world.queues.hasReady && world.queues.backingOff == [0, 1])
        world.queues.wakeDue(now: 40)
        #expect(world.queues.ready == [1] && world.queues.backingOff == [0])
        world.queues.wakeDue(now: 50)
        #expect(world.queues.ready == [1, 0] && world.queues.backingOff.isEmpty)
    }

    @Test("places that are nobody's are used again; a partition that was silent for long knows no producer")
    func places() {
        var world = World(3)
        world.queues.remove([1])
        #expect(world.queues.free == [1] && world.queues.add(PartitionState(topic: 4, number: 9)) == 1 && world.queues.places.count == 3)
        #expect(world.queues[1].topic == 4 && world.queues.free.isEmpty)
        world.queues[0].producer.known = 5
        world.queues[2].producer.known = 5
        (world.queues[0].movedAt, world.queues[2].movedAt) = (1000, 1001)
        _ = world.add([0, 2], now: 601_001)
        #expect(world.queues[0].producer.known == 0 && world.queues[2].producer.known == 5)
    }

    @Test("one that is emptied keeps what is known of it, and forgets what its events were at")
    func emptied() {
        var partition = PartitionState(topic: 1, number: 2)
        partition.events = PartitionState.Events(
            oldest: 1, newest: 2, next: 3, unsettled: 4, queued: 5, outstanding: 6, outstandingBytes: 7)
        partition.caution = PartitionState.Caution(aloneLeft: 2, level: 4, deliveredTogether: 9)
        partition.producer = PartitionState.Producer(slot: .small, known: 3, isHalted: true, isAlone: true, stalledAt: 2)
        partition.retry = PartitionState.Retry(retryAt: 9, failures: 3, notTaken: .queueFull)
        partition.aside.mode = .closing
        (partition.isReady, partition.isLeaderless) = (true, true)
        let emptied = partition.emptied
        #expect(emptied.events.unsettled == 0 && emptied.events.outstandingBytes == 0 && emptied.retry.failures == 0)
        #expect(emptied.caution.aloneLeft == 2 && emptied.caution.level == 4 && emptied.caution.deliveredTogether == 0)
        #expect(emptied.producer.stalledAt == 2 && !emptied.producer.isHalted && emptied.producer.known == 0)
        #expect(emptied.isReady && emptied.isLeaderless && emptied.aside.mode == .closing)
    }
}
