// LangChain's models for OpenAI's API.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { Server, model, weather } from "./server.js";

let server;
const chat = (fields = {}) => new ChatOpenAI({
  model, apiKey: "none", maxRetries: 0, maxTokens: 24, temperature: 0,
  configuration: { baseURL: `${server.url}/v1` }, ...fields });
before(async () => { server = await Server.start(); });
after(() => server?.stop());

const talk = [new SystemMessage("Be kind."), new HumanMessage("Tell me a story about a cat.")];
const weatherTool = tool(async ({ city }) => `sunny in ${city}`, {
  name: weather.name, description: weather.description,
  schema: z.object({ city: z.enum(["Rome", "Oslo"]), unit: z.enum(["celsius", "fahrenheit"]) }) });

test("invoke, stream and batch say the same", async () => {
  const plain = await chat().invoke(talk);
  assert.ok(plain.content.length > 0 && plain.usage_metadata.output_tokens > 0);
  let whole;
  for await (const chunk of await chat().stream(talk)) whole = whole?.concat(chunk) ?? chunk;
  assert.equal(whole.content, plain.content);
  assert.equal(whole.usage_metadata.output_tokens, plain.usage_metadata.output_tokens);
  const both = await chat().batch([talk, talk]);
  assert.deepEqual(both.map((one) => one.content), [plain.content, plain.content]);
});

test("tools: called, streamed, and answered", async () => {
  // One call, or the last of them may have no room to end.
  const bound = chat({ maxTokens: 120 }).bindTools(
    [weatherTool], { tool_choice: "any", parallel_tool_calls: false });
  const called = await bound.invoke(talk);
  assert.ok(called.tool_calls.length > 0);
  let whole;
  for await (const chunk of await bound.stream(talk)) whole = whole?.concat(chunk) ?? chunk;
  const given = (message) => message.tool_calls.map((call) => call.args);
  assert.deepEqual(given(whole), given(called));
  const results = await Promise.all(called.tool_calls.map((call) => weatherTool.invoke(call)));
  assert.ok(results.every((one) => one instanceof ToolMessage));
  const next = await chat().bindTools([weatherTool], { tool_choice: "none" })
    .invoke([...talk, called, ...results]);
  assert.equal(next.tool_calls.length, 0);
});

test("a schema, as a format and as a tool", async () => {
  const Answer = z.object({ kind: z.enum(["cat", "dog"]), happy: z.boolean() });
  for (const method of ["jsonSchema", "functionCalling"]) {
    const held = chat({ maxTokens: 160 }).withStructuredOutput(Answer, { name: "answer", method });
    Answer.parse(await held.invoke(talk));
  }
});

test("embeddings", async () => {
  const embeddings = new OpenAIEmbeddings({ model, apiKey: "none", maxRetries: 0,
    configuration: { baseURL: `${server.url}/v1` } });
  const [cat, dog] = await embeddings.embedDocuments(["a cat", "a dog"]);
  assert.deepEqual(await embeddings.embedQuery("a cat"), cat);
  assert.equal(cat.length, dog.length);
});

test("errors say what is wrong", async () => {
  await assert.rejects(chat({ model: "absent" }).invoke(talk), (error) => error.status === 404);
  await assert.rejects(chat({ temperature: 9 }).invoke(talk), (error) =>
    error.status === 400 && /temperature/.test(error.message));
});

test("a cancelled stream ends its text", async () => {
  const abort = new AbortController();
  const lengthy = { type: "json_schema", json_schema: { name: "text",
    schema: { type: "object", properties: { text: { type: "string", minLength: 1500 } },
      required: ["text"] } } };
  await assert.rejects(async () => {
    const stream = await chat({ maxTokens: 1900, temperature: 1 })
      .stream(talk, { signal: abort.signal, response_format: lengthy });
    for await (const chunk of stream) if (chunk) abort.abort();
  });
  await server.idle();
  assert.equal(await server.metric("minim_requests_left_total"), 1);
});
