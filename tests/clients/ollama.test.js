// The official client of Ollama.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Ollama } from "ollama";
import { Server, messages, model, weather } from "./server.js";

let server, client;
before(async () => {
  server = await Server.start();
  client = new Ollama({ host: server.url });
});
after(() => server?.stop());

const options = { num_predict: 24, seed: 7, temperature: 0.9 };
const collect = async (stream) => {
  const parts = [];
  for await (const part of await stream) parts.push(part);
  assert.ok(parts.length > 1);
  assert.ok(parts.slice(0, -1).every((part) => !part.done) && parts.at(-1).done);
  return parts;
};

test("models: listed, shown, loaded", async () => {
  assert.deepEqual((await client.list()).models.map((one) => one.name), [model]);
  const shown = await client.show({ model: `${model}:latest` });
  assert.ok(shown.capabilities.includes("completion") && shown.capabilities.includes("tools"));
  assert.ok((await client.ps()).models.length === 1);
  assert.match((await client.version()).version, /^\d+\./);
});

test("chat: plain and streamed say the same", async () => {
  const plain = await client.chat({ model, messages, options });
  assert.ok(plain.message.content.length > 0 && plain.eval_count > 0);
  const parts = await collect(client.chat({ model, messages, options, stream: true }));
  assert.equal(parts.map((part) => part.message.content).join(""), plain.message.content);
  assert.equal(parts.at(-1).eval_count, plain.eval_count);
});

test("generate: plain and streamed say the same", async () => {
  const request = { model, prompt: "Once upon a time", options };
  const plain = await client.generate(request);
  const parts = await collect(client.generate({ ...request, stream: true }));
  assert.equal(parts.map((part) => part.response).join(""), plain.response);
});

test("chat: a schema, as JSON, and tools", async () => {
  const schema = { type: "object", properties: { kind: { enum: ["cat", "dog"] } },
    required: ["kind"], additionalProperties: false };
  const long = { ...options, num_predict: 200 };
  const answer = await client.chat({ model, messages, options: long, format: schema });
  assert.ok(["cat", "dog"].includes(JSON.parse(answer.message.content).kind));

  const tools = [{ type: "function", function: weather }];
  const call = { function: { name: weather.name, arguments: { city: "Rome", unit: "celsius" } } };
  const told = await client.chat({ model, options: long, tools, messages: [...messages,
    { role: "assistant", content: "", tool_calls: [call] },
    { role: "tool", tool_name: weather.name, content: "sunny" }] });
  assert.equal(told.message.role, "assistant");
});

test("embed", async () => {
  const { embeddings } = await client.embed({ model, input: ["a cat", "a dog"] });
  assert.equal(embeddings.length, 2);
  const length = Math.hypot(...embeddings[0]);
  assert.ok(Math.abs(length - 1) < 1e-3, `${length}`);
});

test("errors", async () => {
  await assert.rejects(client.chat({ model: "absent", messages }), (error) =>
    error.name === "ResponseError" && error.status_code === 404);
  await assert.rejects(client.chat({ model, messages, options: { temperature: -1 } }), (error) =>
    error.status_code === 400 && /temperature/.test(error.message));
});

test("a cancelled stream ends its text", async () => {
  const format = { type: "string", minLength: 1500 };
  const stream = await client.chat(
    { model, messages, format, stream: true, options: { num_predict: 1900 } });
  await assert.rejects((async () => {
    for await (const part of stream) if (part) stream.abort();
  })(), { name: "AbortError" });
  await server.idle();
  assert.equal(await server.metric("minim_requests_left_total"), 1);
});
