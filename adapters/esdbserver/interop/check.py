"""Uses an event store as any Python program would, with kurrentdbclient. Arguments: the connection string of a store that
has three sales of ours in sku-tea, and that of a copy that only reads."""

import json
import sys
import threading
from uuid import uuid4

from kurrentdbclient import KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.exceptions import AccessDeniedError, NotFoundError, WrongCurrentVersionError

checks = 0


def check(what, ok, got=None):
    global checks
    checks += 1
    if not ok:
        sys.exit(f"{what}: {got!r}")


def raises(what, kind, f):
    try:
        got = f()
    except kind as e:
        check(what, True)
        return e
    except Exception as e:
        got = e
    check(what, False, got)


def note(n):
    return NewEvent(type="NoteTaken", data=json.dumps({"n": n}).encode(), metadata=b'{"by": "python"}')


client = KurrentDBClient(uri=sys.argv[1])

# Our events, as JSON.
sales = client.get_stream("sku-tea")
check("revisions", [e.stream_position for e in sales] == [0, 1, 2], sales)
check("type", all(e.type == "StockSold" and e.content_type == "application/json" for e in sales), sales)
check("data", json.loads(sales[2].data) == {"location": "berlin", "quantity": "3", "channel": "web"}, sales[2].data)
check("metadata", json.loads(sales[2].metadata)["$correlationId"] == "order-9", sales[2].metadata)
check("recorded at", sales[2].recorded_at.isoformat().startswith("2026-01-01T12:00:00.123456"), sales[2].recorded_at)
check("backwards", [e.stream_position for e in client.get_stream("sku-tea", backwards=True, limit=2)] == [2, 1])
check("from a revision", [e.stream_position for e in client.get_stream("sku-tea", stream_position=1)] == [1, 2])
raises("no stream", NotFoundError, lambda: client.get_stream("none"))

# Appends: one event (Append), and several (BatchAppend).
raises("a stream that should exist", WrongCurrentVersionError, lambda: client.append_to_stream("py-1", current_version=StreamState.EXISTS, events=note(0)))
first = client.append_to_stream("py-1", current_version=StreamState.NO_STREAM, events=note(0))
several = [note(1), note(2)]
second = client.append_to_stream("py-1", current_version=0, events=several)
check("positions grow", second > first > sales[2].commit_position, (first, second))
check("repeated", client.append_to_stream("py-1", current_version=0, events=several) == second)
check("repeated without a revision", client.append_to_stream("py-1", current_version=StreamState.ANY, events=several) == second)
for events in (note(9), [note(9)]):
    e = raises("conflict", WrongCurrentVersionError, lambda: client.append_to_stream("py-1", current_version=0, events=events))
    check("says the revision", "2" in str(e), e)
    raises("exists", WrongCurrentVersionError, lambda: client.append_to_stream("py-1", current_version=StreamState.NO_STREAM, events=events))
check("current version", client.get_current_version("py-1") == 2)
check("no version", client.get_current_version("none") is StreamState.NO_STREAM)
raw = NewEvent(type="Größe", data=bytes(range(256)), metadata=b"\x00\xff", content_type="application/octet-stream", id=uuid4())
client.append_to_stream("py-größe %", current_version=StreamState.ANY, events=raw)
(back,) = client.get_stream("py-größe %")
check("bytes", (back.type, back.data, back.metadata, back.content_type, back.id) == (raw.type, raw.data, raw.metadata, raw.content_type, raw.id), back)

# Everything, both ways, and filtered.
end = client.get_commit_position()
everything = list(client.read_all())
check("all", len(everything) == 7 and everything[-1].commit_position == end, everything)
check("all backwards", [e.id for e in client.read_all(backwards=True)] == [e.id for e in reversed(everything)])
check("from a position", [e.id for e in client.read_all(commit_position=everything[4].commit_position)] == [e.id for e in everything[4:]])
check("only notes", {e.type for e in client.read_all(filter_include=["Note.*"])} == {"NoteTaken"})
check("by stream", {e.stream_name for e in client.read_all(filter_include=["sku-.*"], filter_by_stream_name=True)} == {"sku-tea"})

# Subscriptions: what is there, caught up, and what comes; filtered by the server.
with client.subscribe_to_stream("py-1", stream_position=0, include_caught_up=True) as sub:
    got = [next(sub) for _ in range(3)]
    check("the rest of a stream", [e.stream_position for e in got[:2]] == [1, 2] and got[2].is_caught_up, got)
    client.append_to_stream("py-1", current_version=2, events=note(3))
    check("live", next(sub).stream_position == 3)
with client.subscribe_to_all(filter_include=["sku-.*"], filter_by_stream_name=True, include_checkpoints=True) as sub:
    check("sales", [next(sub).stream_position for _ in range(3)] == [0, 1, 2])
    check("checkpoint", next(sub).is_checkpoint)
with client.subscribe_to_all(commit_position=end) as sub:
    check("after a position", next(sub).data == b'{"n": 3}')
    threading.Timer(0.1, sub.stop).start()
    check("stopped", list(sub) == [])

# Metadata hides what is older.
client.set_stream_metadata("py-1", metadata={"$maxCount": 2, "owner": "anna"}, current_version=StreamState.ANY)
check("hidden", [e.stream_position for e in client.get_stream("py-1")] == [2, 3])
metadata, version = client.get_stream_metadata("py-1")
check("metadata of a stream", metadata == {"$maxCount": 2, "owner": "anna"} and version == 0, (metadata, version))

# What is not supported says so, and harms nothing.
for what, f in {
    "delete": lambda: client.delete_stream("py-1", current_version=StreamState.ANY),
    "tombstone": lambda: client.tombstone_stream("py-1", current_version=StreamState.ANY),
    "persistent subscriptions": lambda: client.create_subscription_to_stream("g", "py-1"),
    "projections": lambda: client.create_projection(name="p", query="fromAll()"),
    "ages": lambda: client.set_stream_metadata("py-1", metadata={"$maxAge": 1}, current_version=StreamState.ANY),
}.items():
    e = raises(what, Exception, f)
    check(what, any(word in str(e).lower() for word in ("unimplemented", "not supported", "not implemented", "unknown service")), e)
check("still there", len(client.get_stream("py-1")) == 2)
client.close()

reader = KurrentDBClient(uri=sys.argv[2])
check("reads", len(reader.get_stream("sku-tea")) == 3)
for events in (note(0), [note(0)]):
    raises("does not write", AccessDeniedError, lambda: reader.append_to_stream("py-2", current_version=StreamState.ANY, events=events))
reader.close()
print(f"ok, {checks} checks")
