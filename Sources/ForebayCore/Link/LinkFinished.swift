/// The other side of a link has ended: rewind to the cursor and ask for a new link.
package struct LinkFinished: Error, Sendable {}
