/// What a reader asks of its connection.
protocol RequestSink: AnyObject {
    /// False: too many requests wait for answers, or the client does not take them. No further request is begun.
    var mayBegin: Bool { get }
    /// Takes the next place in the order of answers. Nil: for a refusal, of something that was no request.
    func open(_ head: FramedHead?) -> RequestID
    func judge(_ head: borrowing HTTPRequestHead) -> HTTPVerdict
    func deliver(_ id: RequestID, _ head: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer)
    func refuse(_ id: RequestID, _ refusal: HTTPRefusal)
    func answer(_ id: RequestID, _ response: HTTPResponse)
    /// The client waits for `100 Continue` before it sends its body.
    func inviteBody()
}
