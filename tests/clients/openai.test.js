// The official OpenAI client: models, chat, completions, embeddings, moderations.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { Server, eventually, lengthy, messages, model, weather } from "./server.js";

let server, client;
before(async () => {
  server = await Server.start();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});
after(() => server?.stop());

const sampled = { model, messages, max_tokens: 24, seed: 7, temperature: 0.9 };
const tools = [{ type: "function", function: { ...weather, strict: true } }];

test("models", async () => {
  const found = [];
  for await (const one of client.models.list()) found.push(one.id);
  assert.deepEqual(found, [model]);
  assert.equal((await client.models.retrieve(model)).object, "model");
});

test("chat: plain and streamed say the same", async () => {
  const plain = await client.chat.completions.create(sampled);
  const choice = plain.choices[0];
  assert.equal(choice.message.role, "assistant");
  assert.match(choice.finish_reason, /^(stop|length)$/);
  assert.ok(choice.message.content.length > 0);
  const { usage: counted } = plain;
  assert.ok(counted.completion_tokens > 0 && counted.completion_tokens <= 24);
  assert.equal(counted.total_tokens, counted.prompt_tokens + counted.completion_tokens);
  assert.match(plain._request_id, /./);

  const stream = await client.chat.completions.create({
    ...sampled, stream: true, stream_options: { include_usage: true } });
  let text = "", usage = null;
  for await (const chunk of stream) {
    assert.equal(usage, null, "usage comes last");
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage;
  }
  assert.equal(text, choice.message.content);
  assert.deepEqual([usage.prompt_tokens, usage.completion_tokens],
    [counted.prompt_tokens, counted.completion_tokens]);
});

test("chat: the helper for streams, two choices", async () => {
  const deltas = [];
  const stream = client.chat.completions.stream({ ...sampled, n: 2 })
    .on("content", (delta) => deltas.push(delta));
  const whole = await stream.finalChatCompletion();
  assert.equal(whole.choices.length, 2);
  assert.ok(deltas.length > 1);
  const second = await client.chat.completions.create({ ...sampled, seed: 8 });
  assert.equal(whole.choices[1].message.content, second.choices[0].message.content);
});

test("chat: log-probabilities, stop, bias", async () => {
  const request = { ...sampled, ...lengthy, max_tokens: 24 };
  const plain = await client.chat.completions.create(
    { ...request, logprobs: true, top_logprobs: 3 });
  const { message, logprobs } = plain.choices[0];
  assert.equal(plain.choices[0].finish_reason, "length");
  assert.equal(plain.usage.completion_tokens, 24);
  assert.equal(logprobs.content.map((one) => one.token).join(""), message.content);
  assert.ok(logprobs.content.every((one) => one.logprob <= 0 && one.top_logprobs.length === 3));

  const stop = message.content.slice(8, 11);
  const stopped = await client.chat.completions.create({ ...request, stop });
  assert.equal(stopped.choices[0].finish_reason, "stop");
  assert.equal(stopped.choices[0].message.content,
    message.content.slice(0, message.content.indexOf(stop)));

  const first = await client.completions.create({ model, prompt: "x", max_tokens: 1, seed: 1 });
  const biased = await client.completions.create(
    { model, prompt: "x", max_tokens: 1, seed: 1, logit_bias: { 300: 100 } });
  assert.notEqual(biased.choices[0].text, first.choices[0].text);
});

test("chat: tools, required, by name, streamed, and their results", async () => {
  // One call, or the model alone says how many, and whether the last of them has room to end.
  const asking = {
    ...sampled, max_tokens: 120, tools, tool_choice: "required", parallel_tool_calls: false };
  const required = await client.chat.completions.create(asking);
  const choice = required.choices[0];
  assert.equal(choice.finish_reason, "tool_calls");
  const call = choice.message.tool_calls[0];
  const given = JSON.parse(call.function.arguments);
  assert.ok(["Rome", "Oslo"].includes(given.city));

  const stream = client.chat.completions.stream(asking);
  let pieces = 0;
  stream.on("tool_calls.function.arguments.delta", () => { pieces += 1; });
  const streamed = await stream.finalChatCompletion();
  assert.equal(streamed.choices[0].message.tool_calls[0].function.arguments,
    call.function.arguments);
  assert.ok(pieces > 2);

  const named = await client.chat.completions.create({
    ...sampled, max_tokens: 120, tools, parallel_tool_calls: false,
    tool_choice: { type: "function", function: { name: weather.name } } });
  assert.equal(named.choices[0].message.tool_calls.length, 1);

  const next = await client.chat.completions.create({
    ...sampled, tools, tool_choice: "none",
    messages: [...messages, choice.message,
      { role: "tool", tool_call_id: call.id, content: "sunny" }] });
  assert.equal(next.choices[0].message.tool_calls, undefined);
});

test("chat: the helper that runs tools", async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    ...sampled, max_tokens: 120, parallel_tool_calls: false,
    tools: [{ type: "function", function: {
      ...weather, parse: JSON.parse,
      function: (given) => { asked.push(given); return "sunny"; } } }],
    tool_choice: { type: "function", function: { name: weather.name } } });
  await runner.done();
  assert.equal(asked.length, 1);
  assert.ok(asked[0].unit.length > 0);
});

test("chat: a schema", async () => {
  const Answer = z.object(
    { happy: z.boolean(), kind: z.enum(["cat", "dog"]), count: z.number().int() });
  const request = {
    ...sampled, max_tokens: 160, response_format: zodResponseFormat(Answer, "answer") };
  const parsed = await client.chat.completions.parse(request);
  Answer.parse(parsed.choices[0].message.parsed);
  const streamed = await client.chat.completions.stream(request).finalChatCompletion();
  assert.deepEqual(streamed.choices[0].message.parsed, parsed.choices[0].message.parsed);
});

test("completions: several prompts, streamed", async () => {
  const request = { model, prompt: ["Once upon a time", "The dog"], max_tokens: 12, seed: 3 };
  const plain = await client.completions.create(request);
  assert.deepEqual(plain.choices.map((one) => one.index), [0, 1]);
  const texts = ["", ""];
  for await (const chunk of await client.completions.create({ ...request, stream: true })) {
    for (const one of chunk.choices) texts[one.index] += one.text;
  }
  assert.deepEqual(texts, plain.choices.map((one) => one.text));
});

test("embeddings: base64, as the client asks by default, and numbers", async () => {
  const input = ["a cat", "a dog"];
  const packed = await client.embeddings.create({ model, input });
  const numbers = await client.embeddings.create({ model, input, encoding_format: "float" });
  assert.equal(packed.data.length, 2);
  packed.data.forEach((one, i) => {
    assert.equal(one.embedding.length, numbers.data[i].embedding.length);
    one.embedding.forEach((value, k) =>
      assert.ok(Math.abs(value - numbers.data[i].embedding[k]) < 1e-6));
  });
  assert.notDeepEqual(packed.data[0].embedding, packed.data[1].embedding);
});

test("moderations", async () => {
  const found = await client.moderations.create(
    { input: ["A cat sleeps.", "Tell me how to make a bomb"] });
  assert.deepEqual(found.results.map((one) => one.flagged), [false, true]);
});

test("errors have the client's types", async () => {
  const chat = (fields) => client.chat.completions.create({ ...sampled, ...fields });
  await assert.rejects(chat({ model: "absent" }), (error) =>
    error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
  await assert.rejects(chat({ temperature: 9 }), (error) =>
    error instanceof OpenAI.BadRequestError && error.param === "temperature");
  const say = (content) => chat({ messages: [{ role: "user", content }] });
  await assert.rejects(say([{ type: "smell" }]), (error) =>
    error instanceof OpenAI.BadRequestError && error.param === "messages[0].content[0].type");
  await assert.rejects(say("word ".repeat(9000)), (error) =>
    error instanceof OpenAI.BadRequestError && error.code === "context_length_exceeded");
  await assert.rejects(client.models.retrieve("absent"), OpenAI.NotFoundError);
  await assert.rejects(client.get("/nothing"), OpenAI.NotFoundError);
  const { response } = await client.chat.completions.create(sampled).withResponse();
  assert.match(response.headers.get("x-request-id"), /./);
});

test("a cancelled request ends its text", async () => {
  const request = { ...sampled, ...lengthy };
  const generated = await server.metric("minim_generated_tokens_total");
  const stream = await client.chat.completions.create({ ...request, stream: true, n: 2 });
  let chunks = 0;
  for await (const chunk of stream) if (chunk && ++chunks === 5) break; // the client aborts
  await server.idle();
  const abort = new AbortController();
  const plain = client.chat.completions.create(request, { signal: abort.signal });
  await eventually("the text begins", async () => await server.metric("minim_texts_active"));
  abort.abort();
  await assert.rejects(plain, OpenAI.APIUserAbortError);
  await server.idle();
  assert.equal(await server.metric("minim_requests_left_total"), 2);
  const more = (await server.metric("minim_generated_tokens_total")) - generated;
  assert.ok(more < lengthy.max_tokens, `${more} tokens for nobody`);
});
