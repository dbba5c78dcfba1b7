package import ForebayHTTP

/// What ingest needs of the server whose requests it answers. All members are for the loop's thread.
package protocol RequestAnswering: AnyObject, Sendable {
    func answer(_ id: RequestID, _ response: HTTPResponse)
    func answer(_ id: RequestID, status: Int, fields: StaticString, body: UnsafeRawBufferPointer)
    func replaceHandler(_ handler: any HTTPHandler)
    func pauseReading()
    func resumeReading()
}

extension HTTPServer: RequestAnswering {}
