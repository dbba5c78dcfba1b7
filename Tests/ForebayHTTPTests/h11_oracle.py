"""Reads requests (a decimal length on a line, then so many bytes) from stdin, feeds each to a fresh h11 server, and prints for each a line of JSON:
the requests that it found as [method, target, body in hex], its complaint, if any, and whether the end came inside a request."""
import json
import sys

import h11


def read(data):
    connection = h11.Connection(our_role=h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    requests, head, body = [], None, b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return {"requests": requests, "error": str(error), "incomplete": False}
        if event in (h11.NEED_DATA, h11.PAUSED):
            inside = bool(connection.trailing_data[0]) or connection.their_state is h11.SEND_BODY
            return {"requests": requests, "error": None, "incomplete": inside}
        if isinstance(event, h11.Request):
            head, body = event, b""
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            requests.append([head.method.decode("latin-1"), head.target.decode("latin-1"), body.hex()])
            # A 200 to CONNECT would end HTTP on the connection.
            connection.send(h11.Response(status_code=405, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return {"requests": requests, "error": None, "incomplete": False}
            connection.start_next_cycle()


stream = sys.stdin.buffer
while line := stream.readline():
    print(json.dumps(read(stream.read(int(line)))))
