// Uses an event store as any Node program would, with @eventstore/db-client. Arguments: the connection string of a store that
// has three sales of ours in sku-tea, and that of a copy that only reads.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  AccessDeniedError, ANY, BACKWARDS, binaryEvent, END, EventStoreDBClient, eventTypeFilter, excludeSystemEvents, FORWARDS, jsonEvent,
  MaxAppendSizeExceededError, NO_STREAM,
  persistentSubscriptionToStreamSettingsFromDefaults, START, STREAM_EXISTS, StreamNotFoundError, streamNameFilter, UnsupportedError, WrongExpectedVersionError,
} from "@eventstore/db-client";

const [url, readOnlyUrl] = process.argv.slice(2);
const client = EventStoreDBClient.connectionString(url);
const note = (n) => jsonEvent({ id: randomUUID(), type: "NoteTaken", data: { n }, metadata: { by: "node" } });

const collect = async (stream) => {
  const list = [];
  for await (const { event } of stream) list.push(event);
  return list;
};
const revisions = (list) => list.map((e) => Number(e.revision));

// take waits for the next count events of a subscription.
const take = async (sub, count) => {
  const list = [];
  for await (const { event } of sub) {
    list.push(event);
    if (list.length === count) break;
  }
  return list;
};

// Our events, as JSON.
const sales = await collect(client.readStream("sku-tea"));
assert.deepEqual(revisions(sales), [0, 1, 2]);
assert.equal(sales[2].type, "StockSold");
assert.equal(sales[2].isJson, true);
assert.deepEqual(sales[2].data, { location: "berlin", quantity: "3", channel: "web" });
assert.equal(sales[2].metadata.$correlationId, "order-9");
assert.equal(new Date(sales[2].created).toISOString(), "2026-01-01T12:00:00.123Z");
assert.deepEqual(revisions(await collect(client.readStream("sku-tea", { direction: BACKWARDS, fromRevision: END, maxCount: 2 }))), [2, 1]);
assert.deepEqual(revisions(await collect(client.readStream("sku-tea", { direction: FORWARDS, fromRevision: 1n }))), [1, 2]);
await assert.rejects(collect(client.readStream("none")), StreamNotFoundError);

// Appends, by BatchAppend, and by Append where there are credentials.
await assert.rejects(client.appendToStream("js-1", note(0), { expectedRevision: STREAM_EXISTS }), WrongExpectedVersionError);
const first = await client.appendToStream("js-1", note(0), { expectedRevision: NO_STREAM });
assert.equal(first.success, true);
assert.equal(first.nextExpectedRevision, 0n);
const several = [note(1), note(2)];
const second = await client.appendToStream("js-1", several, { expectedRevision: 0n });
assert.ok(second.position.commit > first.position.commit);
assert.equal(second.position.commit, second.position.prepare);
for (const expectedRevision of [0n, ANY]) {
  const again = await client.appendToStream("js-1", several, { expectedRevision });
  assert.deepEqual(again.position, second.position);
}
for (const options of [{}, { credentials: { username: "a", password: "b" } }]) {
  await assert.rejects(client.appendToStream("js-1", note(9), { expectedRevision: 0n, ...options }), (e) => {
    assert.ok(e instanceof WrongExpectedVersionError);
    assert.equal(e.actualVersion, 2n);
    return true;
  });
  await assert.rejects(client.appendToStream("js-1", note(9), { expectedRevision: NO_STREAM, ...options }), WrongExpectedVersionError);
}
const many = await Promise.all(Array.from({ length: 50 }, (_, n) => client.appendToStream("js-many", note(n))));
assert.deepEqual(many.map((r) => Number(r.nextExpectedRevision)), Array.from({ length: 50 }, (_, n) => n));
const large = binaryEvent({ type: "Large", data: Buffer.alloc(1_000_000) });
await assert.rejects(client.appendToStream("js-2", Array.from({ length: 20 }, () => ({ ...large, id: randomUUID() }))), MaxAppendSizeExceededError);
const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
const raw = binaryEvent({ id: randomUUID(), type: "Größe", data: bytes });
await client.appendToStream("js-größe %", raw);
const [back] = await collect(client.readStream("js-größe %"));
assert.deepEqual(Uint8Array.from(back.data), bytes);
assert.equal(back.id, raw.id);
assert.equal(back.isJson, false);

// Everything, both ways.
const everything = await collect(client.readAll());
assert.equal(everything.length, 3 + 3 + 50 + 1);
assert.deepEqual((await collect(client.readAll({ direction: BACKWARDS, fromPosition: END }))).map((e) => e.id), everything.map((e) => e.id).reverse());
assert.equal((await collect(client.readAll({ fromPosition: everything[5].position, maxCount: 1 })))[0].id, everything[5].id);

// Subscriptions: what is there and what comes; filtered by the server.
const stream = client.subscribeToStream("js-1", { fromRevision: 0n });
const confirmed = new Promise((resolve) => stream.once("confirmation", resolve));
const taken = take(stream, 3);
await confirmed;
await client.appendToStream("js-1", note(3), { expectedRevision: 2n });
assert.deepEqual(revisions(await taken), [1, 2, 3]);
await stream.unsubscribe().catch(() => {});
for (const [filter, want] of [
  [streamNameFilter({ prefixes: ["sku-"] }), ["StockSold", "StockSold", "StockSold"]],
  [eventTypeFilter({ regex: "^(Größe|Large)$" }), ["Größe"]],
  [excludeSystemEvents(), ["StockSold"]],
]) {
  const sub = client.subscribeToAll({ fromPosition: START, filter });
  assert.deepEqual((await take(sub, want.length)).map((e) => e.type), want);
  await sub.unsubscribe().catch(() => {});
}
let checkpoint;
const reached = new Promise((resolve) => (checkpoint = resolve));
const far = client.subscribeToAll({ fromPosition: START, filter: streamNameFilter({ prefixes: ["none-"], checkpointReached: (_, position) => checkpoint(position) }) });
far.on("error", () => {});
far.resume();
assert.ok((await reached).commit >= everything.at(-1).position.commit);
await far.unsubscribe().catch(() => {});

// Metadata hides what is older.
await client.setStreamMetadata("js-1", { maxCount: 2, owner: "anna" });
assert.deepEqual(revisions(await collect(client.readStream("js-1"))), [2, 3]);
assert.equal((await client.getStreamMetadata("js-1")).metadata.maxCount, 2);

// What is not supported says so, with gRPC's code for it, and harms nothing.
for (const f of [
  () => client.deleteStream("js-1"),
  () => client.tombstoneStream("js-1"),
  () => client.createProjection("p", "fromAll()"),
  () => client.createPersistentSubscriptionToStream("js-1", "g", persistentSubscriptionToStreamSettingsFromDefaults()),
  () => client.setStreamMetadata("js-1", { maxAge: 1 }),
]) {
  await assert.rejects(f(), (e) => e.code === 12 || e instanceof UnsupportedError || /not supported by this server/.test(e.message));
}
assert.deepEqual(revisions(await collect(client.readStream("js-1"))), [2, 3]);
await client.dispose();

const reader = EventStoreDBClient.connectionString(readOnlyUrl);
assert.equal((await collect(reader.readStream("sku-tea"))).length, 3);
for (const options of [{}, { credentials: { username: "a", password: "b" } }]) {
  await assert.rejects(reader.appendToStream("js-3", note(0), options), AccessDeniedError);
}
await reader.dispose();
console.log("ok");
