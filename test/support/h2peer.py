"""
A client of HTTP/2 on Debian's python3-h2: it says what it is told, right or wrong, and takes answers
as strictly as that library does.

stdin: {"port": …, "requests": [{"fields": [[name, value], …], "body": [text, …] or null,
"trailers": [[name, value], …]}, …]}, everything in latin1. Each request has a connection of its own.
stdout: a list of what became of each: status, headers, interims, trailers, body, whole, reset, goaway;
`wrong` where the library found fault with what it was sent.
"""
import json
import socket
import sys

import h2.config
import h2.connection
import h2.events
import h2.exceptions


def bytes_of(pairs):
    return [(name.encode("latin1"), value.encode("latin1")) for name, value in pairs]


def pairs_of(headers):
    return [[name.decode("latin1"), value.decode("latin1")] for name, value in headers]


def ask(port, request):
    seen = {"status": 0, "headers": [], "interims": [], "trailers": [], "body": "", "whole": False}
    config = h2.config.H2Configuration(
        client_side=True,
        header_encoding=None,
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
    )
    peer = h2.connection.H2Connection(config=config)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as tcp:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.initiate_connection()
        parts = request["body"]
        trailers = request.get("trailers", [])
        peer.send_headers(1, bytes_of(request["fields"]), end_stream=parts is None)
        for at, part in enumerate(parts or []):
            last = at == len(parts) - 1 and not trailers
            peer.send_data(1, part.encode("latin1"), end_stream=last)
        if trailers:
            peer.send_headers(1, bytes_of(trailers), end_stream=True)
        say(tcp, peer)
        over = False
        while not over:
            try:
                read = tcp.recv(65536)
            except ConnectionResetError:
                break
            if not read:
                break
            try:
                events = peer.receive_data(read)
            except h2.exceptions.ProtocolError as error:
                seen["wrong"] = repr(error)
                break
            for event in events:
                over = take(peer, event, seen) or over
            say(tcp, peer)
    return seen


def say(tcp, peer):
    """To one that has gone nothing is said; what it said before is still to be read."""
    try:
        tcp.sendall(peer.data_to_send())
    except (BrokenPipeError, ConnectionResetError):
        pass


def take(peer, event, seen):
    """True: nothing more is to come."""
    if isinstance(event, h2.events.InformationalResponseReceived):
        seen["interims"].append(int(dict(event.headers)[b":status"]))
    elif isinstance(event, h2.events.ResponseReceived):
        seen["status"] = int(dict(event.headers)[b":status"])
        seen["headers"] = pairs_of(event.headers)
    elif isinstance(event, h2.events.DataReceived):
        seen["body"] += event.data.decode("latin1")
        peer.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    elif isinstance(event, h2.events.TrailersReceived):
        seen["trailers"] = pairs_of(event.headers)
    elif isinstance(event, h2.events.StreamEnded):
        seen["whole"] = True
        return True
    elif isinstance(event, h2.events.StreamReset):
        seen["reset"] = int(event.error_code)
        return True
    elif isinstance(event, h2.events.ConnectionTerminated) and event.error_code != 0:
        seen["goaway"] = int(event.error_code)
        return True
    return False


told = json.load(sys.stdin)
json.dump([ask(told["port"], request) for request in told["requests"]], sys.stdout)
