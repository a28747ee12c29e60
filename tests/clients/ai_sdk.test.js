// Vercel's AI SDK with its provider for OpenAI-compatible servers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, Output, embedMany, generateObject, generateText, streamObject, streamText,
  tool } from "ai";
import { z } from "zod";
import { Server, model, weather } from "./server.js";

let server, provider;
before(async () => {
  server = await Server.start();
  provider = createOpenAICompatible({ name: "minim", baseURL: `${server.url}/v1`,
    includeUsage: true, supportsStructuredOutputs: true });
});
after(() => server?.stop());

const prompt = "Tell me a story about a cat.";
const asked = () => ({ model: provider(model), prompt, seed: 7, temperature: 0.9,
  maxOutputTokens: 24, maxRetries: 0 });
const Answer = z.object({ kind: z.enum(["cat", "dog"]), happy: z.boolean() });

test("text: plain and streamed say the same", async () => {
  const plain = await generateText(asked());
  assert.ok(plain.text.length > 0);
  assert.match(plain.finishReason, /^(stop|length)$/);
  assert.ok(plain.usage.inputTokens > 0 && plain.usage.outputTokens > 0);
  const stream = streamText(asked());
  let text = "";
  for await (const delta of stream.textStream) text += delta;
  assert.equal(text, plain.text);
  assert.equal((await stream.usage).outputTokens, plain.usage.outputTokens);
});

test("text of a completion model", async () => {
  const plain = await generateText({ ...asked(), model: provider.completionModel(model) });
  assert.ok(plain.text.length > 0);
});

const tools = (calls) => ({
  get_weather: tool({
    description: weather.description,
    inputSchema: z.object({
      city: z.enum(["Rome", "Oslo"]), unit: z.enum(["celsius", "fahrenheit"]) }),
    execute: (given) => { calls.push(given); return "sunny"; },
  }),
});

test("tools: called with valid arguments, plain and streamed", async () => {
  const calls = [];
  // One call, or the last of them may have no room to end.
  const request = { ...asked(), maxOutputTokens: 120, tools: tools(calls), toolChoice: "required",
    providerOptions: { minim: { parallel_tool_calls: false } } };
  const plain = await generateText(request);
  assert.equal(plain.finishReason, "tool-calls");
  assert.equal(plain.toolResults[0].output, "sunny");
  const stream = streamText(request);
  await stream.consumeStream();
  const inputs = (list) => list.map((call) => call.input);
  assert.deepEqual(inputs(await stream.toolCalls), inputs(plain.toolCalls));
  assert.equal(calls.length, 2 * plain.toolCalls.length);
});

test("objects: a schema, plain and streamed", async () => {
  const request = { ...asked(), maxOutputTokens: 160, schema: Answer };
  const { object } = await generateObject(request);
  Answer.parse(object);
  const stream = streamObject(request);
  for await (const partial of stream.partialObjectStream) assert.equal(typeof partial, "object");
  assert.deepEqual(await stream.object, object);
  const { output } = await generateText(
    { ...asked(), maxOutputTokens: 160, output: Output.object({ schema: Answer }) });
  assert.deepEqual(output, object);
});

test("embeddings", async () => {
  const { embeddings, usage } = await embedMany(
    { model: provider.textEmbeddingModel(model), values: ["a cat", "a dog"], maxRetries: 0 });
  assert.equal(embeddings.length, 2);
  assert.equal(embeddings[0].length, embeddings[1].length);
  assert.ok(usage.tokens > 0);
});

test("errors say what is wrong", async () => {
  await assert.rejects(generateText({ ...asked(), model: provider("absent") }), (error) =>
    APICallError.isInstance(error) && error.statusCode === 404 && /absent/.test(error.message));
  await assert.rejects(generateText({ ...asked(), temperature: 9 }), (error) =>
    error.statusCode === 400 && /temperature/.test(error.message) && !error.isRetryable);
});

test("a cancelled stream ends its text", async () => {
  const abort = new AbortController();
  const stream = streamText({ ...asked(), maxOutputTokens: 1900, abortSignal: abort.signal,
    output: Output.object({ schema: z.object({ text: z.string().min(1500) }) }) });
  let aborted = false;
  for await (const part of stream.fullStream) {
    if (part.type === "text-delta") abort.abort();
    aborted ||= part.type === "abort";
  }
  assert.ok(aborted);
  await server.idle();
  assert.equal(await server.metric("minim_requests_left_total"), 1);
});
