import ForebayCore

extension SegmentWindow {
    /// Where parts of a segment are left for other readers, and found; and where in it the device fails.
    struct Sharing {
        /// Stands for the file as a whole: whether it can be opened. Nothing is read there, it is the segment's header.
        static let opening = 0..<1

        let cache: ReadCache
        let segment: ReadCache.Segment

        init(cache: ReadCache, segment: ReadCache.Segment) {
            (self.cache, self.segment) = (cache, segment)
        }

        /// For one who does not wait for the device: where it has failed another, it is not asked, since that may take it long.
        ///
        /// - Throws: what `body` does, or the same as if it had failed once more.
        func unlessFailing<Result>(
            _ place: Range<Int>, of path: String, _ body: () throws(ForebayError) -> Result
        ) throws(ForebayError) -> Result {
            guard !self.cache.fails(self.segment, place) else { throw .unread(path) }
            do throws(ForebayError) {
                return try body()
            } catch {
                if error.isUnread { self.cache.asked(self.segment, place, failed: [place]) }
                throw error
            }
        }

        /// One who waits for the device has asked it, and it failed in these blocks of the place.
        func asked(_ place: Range<Int>, failed blocks: Set<Int>) {
            self.cache.asked(self.segment, place, failed: blocks.sorted().map { $0..<$0 + SpoolFormat.block })
        }
    }
}
