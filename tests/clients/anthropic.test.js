// The official Anthropic client.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { Server, messages, model, weather } from "./server.js";

let server, client;
before(async () => {
  server = await Server.start();
  client = new Anthropic({ baseURL: server.url, apiKey: "none", maxRetries: 0 });
});
after(() => server?.stop());

const asked = { model, messages, max_tokens: 24, temperature: 0 };
const { name, description, parameters: input_schema } = weather;
const tools = [{ name, description, input_schema }];

test("messages: plain and streamed say the same", async () => {
  const plain = await client.messages.create({ ...asked, system: "Be kind." });
  assert.equal(plain.role, "assistant");
  assert.match(plain.stop_reason, /^(end_turn|max_tokens)$/);
  assert.ok(plain.usage.output_tokens > 0);
  const deltas = [];
  const stream = client.messages.stream({ ...asked, system: "Be kind." })
    .on("text", (delta) => deltas.push(delta));
  const whole = await stream.finalMessage();
  assert.deepEqual(whole.content, plain.content);
  assert.equal(deltas.join(""), plain.content[0].text);
  assert.equal(whole.usage.output_tokens, plain.usage.output_tokens);
});

test("messages: a stop sequence", async () => {
  const plain = await client.messages.create(asked);
  const stop = plain.content[0].text.slice(6, 9);
  const stopped = await client.messages.create({ ...asked, stop_sequences: [stop] });
  assert.equal(stopped.stop_reason, "stop_sequence");
  assert.equal(stopped.stop_sequence, stop);
});

test("tools: any, by name, streamed, and their results", async () => {
  const request = { ...asked, max_tokens: 120, tools,
    tool_choice: { type: "any", disable_parallel_tool_use: true } };
  const called = await client.messages.create(request);
  assert.equal(called.stop_reason, "tool_use");
  const call = called.content.find((block) => block.type === "tool_use");
  assert.ok(["Rome", "Oslo"].includes(call.input.city));
  const streamed = await client.messages.stream(request).finalMessage();
  assert.deepEqual(streamed.content.find((block) => block.type === "tool_use").input, call.input);
  const named = await client.messages.create(
    { ...request, tool_choice: { type: "tool", name, disable_parallel_tool_use: true } });
  assert.equal(named.content.filter((block) => block.type === "tool_use").length, 1);
  const next = await client.messages.create({ ...request, tool_choice: { type: "none" },
    messages: [...messages, { role: "assistant", content: called.content },
      { role: "user", content: called.content.filter((block) => block.type === "tool_use")
        .map((block) => ({ type: "tool_result", tool_use_id: block.id, content: "sunny" })) }] });
  assert.notEqual(next.stop_reason, "tool_use");
});

test("messages: a schema, plain and streamed", async () => {
  const Answer = z.object({ kind: z.enum(["cat", "dog"]), happy: z.boolean() });
  const request = { ...asked, max_tokens: 160,
    output_config: { format: zodOutputFormat(Answer) } };
  const parsed = await client.messages.parse(request);
  Answer.parse(parsed.parsed_output);
  const streamed = await client.messages.stream(request).finalMessage();
  assert.deepEqual(JSON.parse(streamed.content[0].text), parsed.parsed_output);
  await assert.rejects(client.messages.create({ ...request, tools }), Anthropic.BadRequestError);
});

test("tokens are counted as a message counts them", async () => {
  const counted = await client.messages.countTokens({ model, messages });
  const { usage } = await client.messages.create(asked);
  assert.equal(counted.input_tokens, usage.input_tokens + (usage.cache_read_input_tokens ?? 0));
});

test("errors have the client's types", async () => {
  const typed = (Type, type) => (error) =>
    error instanceof Type && error.error.type === "error" && error.error.error.type === type;
  await assert.rejects(client.messages.create({ ...asked, model: "absent" }),
    typed(Anthropic.NotFoundError, "not_found_error"));
  await assert.rejects(client.messages.create({ ...asked, temperature: 9 }),
    typed(Anthropic.BadRequestError, "invalid_request_error"));
  const { response } = await client.messages.create(asked).withResponse();
  assert.match(response.headers.get("request-id") ?? response.headers.get("x-request-id"), /./);
});

test("a cancelled stream ends its text", async () => {
  const properties = { text: { type: "string", minLength: 1500 } };
  const stream = client.messages.stream({ ...asked, max_tokens: 1900, temperature: 1,
    tools: [{ name: "write", input_schema: { type: "object", properties, required: ["text"] } }],
    tool_choice: { type: "tool", name: "write" } });
  stream.once("streamEvent", () => stream.abort()); // the message has begun
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
  await server.idle();
  assert.equal(await server.metric("minim_requests_left_total"), 1);
});
