// Clients that leave within a stream, at any point and in any dialect: what is left of them.
import { connect } from "node:net";
import { Server, eventually, lengthy, messages, model } from "../../tests/clients/server.js";
import { descriptors, randomNumbers, residentBytes } from "./figures.mjs";

const kTogether = 32;
const kSilenceMs = 60_000; // longer than any pause of a stream
const kGrowthMax = 16 << 20; // bytes of memory, after the first tenth

// Requests for long streams, in each dialect. A client that sees the end of one leaves then.
const long = { model, stream: true, ...lengthy };
const schema = { type: "string", minLength: 200 };
const requests = [
  ["/v1/chat/completions", { ...long, messages }],
  ["/v1/chat/completions", { ...long, messages, n: 2 }],
  ["/v1/completions", { model, stream: true, prompt: "Once upon a time", max_tokens: 1900 }],
  ["/v1/messages", { model, stream: true, messages, max_tokens: 400, temperature: 1 }],
  ["/v1/responses", { model, stream: true, input: "Hello", max_output_tokens: 1900, text: {
    format: { type: "json_schema", name: "text", strict: false, schema: {
      type: "object", properties: { text: schema }, required: ["text"] } } } }],
  ["/api/chat", { model, messages, format: schema, options: { num_predict: 1900 } }],
].map(([path, body]) => {
  const text = JSON.stringify(body);
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
    `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
});

// One client: it leaves after so many pieces of the answer, politely or by a reset.
function leave(url, random) {
  const text = requests[Math.floor(random() * requests.length)];
  const pieces = Math.floor(random() * 6);
  const reset = random() < 0.5;
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    let seen = 0, status = "", answer = "", end = "";
    const go = () => (reset ? socket.resetAndDestroy() : socket.destroy());
    socket.on("connect", () => {
      socket.write(text);
      if (pieces === 0) setTimeout(go, random() * 3);
    });
    socket.on("data", (data) => {
      status ||= data.toString("latin1", 0, 12);
      if (!status.endsWith("200")) answer += data;
      end = (end + data.toString("latin1")).slice(-5);
      const isLast = end === "0\r\n\r\n";
      if ((++seen >= pieces && pieces > 0) || isLast) go();
    });
    socket.setTimeout(kSilenceMs, () => {
      console.error(`  silence after ${seen} pieces, wanted ${pieces}: ${text.split("\r")[0]}`);
      console.error(`  the last was ${JSON.stringify(end)}`);
      socket.destroy(new Error("the server says nothing any more"));
    });
    socket.on("error", reject);
    socket.on("close", () =>
      status === "" || status.endsWith("200") ? resolve(seen > 0) : reject(new Error(answer)));
  });
}

async function leaveMany(url, count, random) {
  let left = count, streams = 0;
  const worker = async () => { while (left-- > 0) if (await leave(url, random)) ++streams; };
  await Promise.all(Array.from({ length: kTogether }, worker));
  return streams;
}

async function held(server) {
  await server.idle();
  await eventually("connections are closed", async () =>
    (await server.metric("minim_connections")) <= 1);
  const metrics = {};
  for (const name of ["jobs_running", "jobs_waiting", "texts_active", "cache_blocks_used",
    "prefix_blocks"]) {
    metrics[name] = await server.metric(`minim_${name}`);
  }
  const { pid } = server.child;
  return { ...metrics, files: descriptors(pid), bytes: residentBytes(pid) };
}

// As many whole texts at once as the cache has room for: none may be refused for what others held.
async function fillCache(server, count) {
  const answer = async () => {
    const response = await fetch(`${server.url}/v1/chat/completions`, {
      method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, messages, ...lengthy, n: 1 }) });
    const body = await response.json();
    return response.status === 200 ? body.usage.completion_tokens : 0;
  };
  return Promise.all(Array.from({ length: count }, answer));
}

const mebibytes = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;

export async function leaveStreams(options) {
  const random = randomNumbers(options.seed);
  const server = await Server.start();
  try {
    const warm = Math.ceil(options.disconnects / 10);
    let streams = await leaveMany(server.url, warm, random);
    const before = await held(server);
    const begun = performance.now();
    streams += await leaveMany(server.url, options.disconnects - warm, random);
    const seconds = (performance.now() - begun) / 1000;
    const after = await held(server);
    const generated = await server.metric("minim_generated_tokens_total");
    const texts = await fillCache(server, options.tiny ? 2 : 16);
    const growth = after.bytes - before.bytes;
    const faults = [];
    for (const name of ["jobs_running", "jobs_waiting", "texts_active"]) {
      if (after[name] !== 0) faults.push(`${name} is ${after[name]}`);
    }
    const blocks = after.cache_blocks_used - after.prefix_blocks;
    if (blocks !== 0) faults.push(`${blocks} blocks of keys and values are held by nobody`);
    if (after.files > before.files) faults.push(`${after.files - before.files} descriptors left`);
    if (growth > kGrowthMax) faults.push(`memory grew by ${growth} bytes`);
    const short = texts.filter((tokens) => tokens < lengthy.max_tokens).length;
    if (short > 0) faults.push(`${short} long texts found no room afterwards`);
    return { faults, figures: { before, after, streams, seconds, generated, texts }, rows: [
      { what: `clients that left, ${streams} of them within a stream`,
        value: `${options.disconnects}, ${Math.round((options.disconnects - warm) / seconds)}/s` },
      { what: "texts left, and slots", value:
          `${after.texts_active}, ${after.jobs_running + after.jobs_waiting}` },
      { what: "descriptors left", value: `${Math.max(after.files - before.files, 0)}` },
      { what: "blocks of keys and values left, besides those of the prefix cache",
        value: `${blocks}` },
      { what: "memory after a tenth of them and after all",
        value: `${mebibytes(before.bytes)}, ${mebibytes(after.bytes)}` },
      { what: "tokens computed for each client that left",
        value: (generated / options.disconnects).toFixed(1) },
    ] };
  } finally {
    await server.stop();
  }
}
