// The official OpenAI client: responses, files, batches, and keys with their limits.
import assert from "node:assert/strict";
import { File } from "node:buffer";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import OpenAI, { toFile } from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { Server, eventually, model, weather } from "./server.js";

globalThis.File ??= File; // Node 18 has none there, and the client asks for it

let folder, server, client, other, limited;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "minim-keys-"));
  const keys = {};
  for (const name of ["ann", "bob"]) {
    keys[name] = await Server.newKey(folder, name, ["--scopes", "inference,metrics"]);
  }
  keys.eve = await Server.newKey(folder, "eve", ["--requests-per-minute", "1"]);
  server = await Server.start(["--keys", join(folder, "keys"), "--data", join(folder, "data")]);
  const clientOf = (apiKey) =>
    new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 });
  [client, other, limited] = [clientOf(keys.ann), clientOf(keys.bob), clientOf(keys.eve)];
});
after(async () => {
  await server?.stop();
  await rm(folder, { recursive: true });
});

const sampled = { model, input: "Tell me a story.", max_output_tokens: 24 };

test("responses: made, found, continued, deleted", async () => {
  const first = await client.responses.create(sampled);
  assert.match(first.status, /^(completed|incomplete)$/);
  assert.ok(first.output_text.length > 0);
  const found = await client.responses.retrieve(first.id);
  assert.equal(found.output_text, first.output_text);
  const next = await client.responses.create({ ...sampled, previous_response_id: first.id });
  assert.ok(next.usage.input_tokens > first.usage.input_tokens);
  const items = await client.responses.inputItems.list(first.id);
  assert.equal(items.data[0].role, "user");
  await assert.rejects(other.responses.retrieve(first.id), OpenAI.NotFoundError);
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
});

test("responses: streamed", async () => {
  const types = [];
  const stream = client.responses.stream(sampled).on("event", (event) => types.push(event.type));
  const whole = await stream.finalResponse();
  assert.equal(types[0], "response.created");
  assert.match(types.at(-1), /^response\.(completed|incomplete)$/);
  assert.ok(types.includes("response.output_text.delta"));
  assert.ok(whole.output_text.length > 0);
});

test("responses: a schema, tools and their results", async () => {
  const Answer = z.object({ kind: z.enum(["cat", "dog"]) });
  const parsed = await client.responses.parse({
    ...sampled, max_output_tokens: 100, text: { format: zodTextFormat(Answer, "answer") } });
  Answer.parse(parsed.output_parsed);
  const tools = [{ type: "function", ...weather, strict: true }];
  const called = await client.responses.create(
    { ...sampled, max_output_tokens: 120, tools, tool_choice: "required",
      parallel_tool_calls: false });
  const call = called.output.find((item) => item.type === "function_call");
  assert.ok(JSON.parse(call.arguments).city.length > 0);
  const next = await client.responses.create({
    ...sampled, previous_response_id: called.id,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "sunny" }] });
  assert.ok(next.output.length > 0);
});

test("responses: in the background, and cancelled", async () => {
  const begun = await client.responses.create({ ...sampled, background: true });
  const done = await eventually("the response is there", async () => {
    const now = await client.responses.retrieve(begun.id);
    return /^(queued|in_progress)$/.test(now.status) ? null : now;
  });
  assert.match(done.status, /^(completed|incomplete)$/);
  const tools = [{ type: "function", name: "write", strict: false, parameters: {
    type: "object", properties: { text: { type: "string", minLength: 1500 } },
    required: ["text"] } }];
  const long = await client.responses.create({
    ...sampled, max_output_tokens: 1900, background: true, tools, tool_choice: "required" });
  assert.equal((await client.responses.cancel(long.id)).status, "cancelled");
});

test("responses: in the background, streamed, left and read on", async () => {
  const stream = await client.responses.create({ ...sampled, background: true, stream: true });
  const seen = [];
  for await (const event of stream) {
    seen.push(event);
    if (seen.length === 5) break;
  }
  const rest = await client.responses.retrieve(
    seen[0].response.id, { stream: true, starting_after: seen.at(-1).sequence_number });
  for await (const event of rest) seen.push(event);
  assert.deepEqual(seen.map((event) => event.sequence_number), [...seen.keys()]);
  assert.match(seen.at(-1).type, /^response\.(completed|incomplete)$/);
  const deltas = seen.filter((event) => event.type === "response.output_text.delta");
  const text = seen.at(-1).response.output[0].content[0].text;
  assert.equal(deltas.map((event) => event.delta).join(""), text);
});

test("files: uploaded, listed, read, deleted", async () => {
  const content = '{"a": "ä"}\n';
  const file = await client.files.create(
    { file: await toFile(Buffer.from(content), "one.jsonl"), purpose: "batch" });
  assert.equal(file.bytes, Buffer.byteLength(content));
  const listed = [];
  for await (const one of client.files.list()) listed.push(one.id);
  assert.ok(listed.includes(file.id));
  assert.equal((await client.files.retrieve(file.id)).filename, "one.jsonl");
  assert.equal(await (await client.files.content(file.id)).text(), content);
  await assert.rejects(other.files.content(file.id), OpenAI.NotFoundError);
  assert.equal((await client.files.delete(file.id)).deleted, true);
  await assert.rejects(client.files.retrieve(file.id), OpenAI.NotFoundError);
});

const batchOf = async (lines) => {
  const text = lines.map((line) => JSON.stringify(line)).join("\n");
  const file = await client.files.create(
    { file: await toFile(Buffer.from(text), "batch.jsonl"), purpose: "batch" });
  return client.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions",
    completion_window: "24h", metadata: { purpose: "test" } });
};
const line = (id, body) => ({ custom_id: id, method: "POST", url: "/v1/chat/completions",
  body: { model, max_tokens: 8, messages: [{ role: "user", content: "Hello" }], ...body } });

test("batches: each request has one result", async () => {
  const batch = await batchOf(
    [line("a", {}), line("b", { seed: 1 }), line("c", { temperature: 9 })]);
  assert.equal(batch.metadata.purpose, "test");
  const done = await eventually("the batch ends", async () => {
    const now = await client.batches.retrieve(batch.id);
    return now.status === "completed" ? now : null;
  });
  assert.deepEqual(done.request_counts, { total: 3, completed: 2, failed: 1 });
  const read = async (id) => (await (await client.files.content(id)).text()).trim().split("\n")
    .map((text) => JSON.parse(text));
  const results = await read(done.output_file_id);
  assert.deepEqual(results.map((one) => one.custom_id).sort(), ["a", "b"]);
  assert.ok(results.every((one) => one.response.body.choices.length === 1));
  const errors = await read(done.error_file_id);
  assert.equal(errors[0].custom_id, "c");
  assert.equal(errors[0].response.body.error.param, "temperature");
  const listed = [];
  for await (const one of client.batches.list()) listed.push(one.id);
  assert.ok(listed.includes(batch.id));
});

test("batches: cancelled", async () => {
  const many = Array.from({ length: 200 }, (_, i) => line(`${i}`, { max_tokens: 64 }));
  const batch = await batchOf(many);
  assert.match((await client.batches.cancel(batch.id)).status, /^cancell(ing|ed)$/);
  await eventually("the batch is cancelled", async () =>
    (await client.batches.retrieve(batch.id)).status === "cancelled");
});

test("keys: unknown, without a scope, past a limit", async () => {
  const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "mk-wrong", maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  const chat = { model, max_tokens: 2, messages: [{ role: "user", content: "Hi" }] };
  const { response } = await limited.chat.completions.create(chat).withResponse();
  assert.equal(response.headers.get("x-ratelimit-remaining-requests"), "0");
  await assert.rejects(limited.chat.completions.create(chat), (error) =>
    error instanceof OpenAI.RateLimitError && Number(error.headers.get("retry-after")) > 0);
});
