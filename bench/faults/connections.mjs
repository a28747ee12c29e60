// Connections that say nothing, and connections that send a byte a second, beside honest clients:
// how much slower their answers come, and what the connections cost.
import { fork } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { fileURLToPath } from "node:url";
import { Server, eventually, messages, model } from "../../tests/clients/server.js";
import { descriptors, median, quantile, residentBytes } from "./figures.mjs";

const kWorseMax = 2; // times the median without them
const kBytesMax = 16 << 10; // of memory for each connection

// One honest client: a connection of its own, a short answer. Its milliseconds.
function ask(url) {
  const body = JSON.stringify({ model, messages, max_tokens: 16, seed: 1 });
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const call = request(`${url}/v1/chat/completions`, { method: "POST", agent: false, headers: {
      "content-type": "application/json", "content-length": Buffer.byteLength(body) } });
    call.on("response", (response) => {
      response.resume();
      response.on("end", () => response.statusCode === 200
        ? resolve(performance.now() - begun) : reject(new Error(`${response.statusCode}`)));
    });
    call.on("error", reject);
    call.end(body);
  });
}

async function askMany(url, count) {
  const times = [];
  for (let i = 0; i < count; ++i) times.push(await ask(url));
  return times;
}

export async function holdConnections(options) {
  const server = await Server.start();
  const holder = fork(fileURLToPath(new URL("holder.mjs", import.meta.url)), [server.url]);
  const held = options.idle + options.slow;
  const count = options.tiny ? 5 : 60;
  const without = [], beside = [], ratios = [];
  const tell = async (message) => {
    holder.send(message);
    const [answer] = await once(holder, "message");
    return answer;
  };
  try {
    await askMany(server.url, 10);
    const before = { bytes: residentBytes(server.child.pid), files: descriptors(server.child.pid) };
    let most = 0, open = 0, slowest = 0;
    for (let round = 0; round < options.rounds; ++round) {
      const alone = await askMany(server.url, count);
      await tell({ idle: options.idle, slow: options.slow });
      open = await eventually("the connections are held", async () => {
        const now = await server.metric("minim_connections");
        return now >= held ? now : 0;
      });
      const among = await askMany(server.url, count);
      most = Math.max(most, residentBytes(server.child.pid));
      slowest = Math.max(slowest, ...among);
      without.push(...alone);
      beside.push(...among);
      ratios.push(median(among) / median(alone));
      const { dropped } = await tell({ idle: 0, slow: 0 });
      if (dropped > 0) console.log(`  ${dropped} idle connections were closed by the server`);
      await eventually("the connections are gone", async () =>
        (await server.metric("minim_connections")) <= 2);
    }
    const files = descriptors(server.child.pid) - before.files;
    const each = (most - before.bytes) / held;
    const ratio = median(ratios);
    const faults = [];
    if (!options.tiny && ratio > kWorseMax) {
      faults.push(`honest answers take ${ratio.toFixed(2)} times as long`);
    }
    if (!options.tiny && each > kBytesMax) {
      faults.push(`a connection needs ${Math.round(each)} bytes`);
    }
    if (files > 2) faults.push(`${files} descriptors are left`);
    const ms = (values, q) => `${quantile(values, q).toFixed(1)} ms`;
    const figures = { without, beside, ratios, bytes_each: each, files_left: files };
    return { faults, figures,
      rows: [
        { what: `time of answers beside ${options.idle} idle and ${options.slow} slow ` +
            "connections, median of the rounds", value: `${ratio.toFixed(2)}x` },
        { what: "median and 95th percentile without them",
          value: `${ms(without, 0.5)}, ${ms(without, 0.95)}` },
        { what: "median and 95th percentile beside them",
          value: `${ms(beside, 0.5)}, ${ms(beside, 0.95)}` },
        { what: "resident memory for each connection", value: `${(each / 1024).toFixed(1)} KiB` },
        { what: "descriptors left when they are gone", value: `${Math.max(files, 0)}` },
      ] };
  } finally {
    holder.kill();
    await server.stop();
  }
}
