// A server that is killed while it works on a batch: what it said was done must stay done, each
// request has one result, and it is the one that a server that nobody kills gives.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Server, eventually, model } from "../../tests/clients/server.js";
import { randomNumbers } from "./figures.mjs";

const kEndpoint = "/v1/chat/completions";

const batchLines = (count) => Array.from({ length: count }, (_, i) => JSON.stringify({
  custom_id: `request-${i}`, method: "POST", url: kEndpoint, body: { model, seed: i, max_tokens: 48,
    messages: [{ role: "user", content: `Tell me story ${i}.` }] } })).join("\n");

async function call(server, path, init) {
  const response = await fetch(server.url + path, init);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response;
}

async function begin(server, lines) {
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new Blob([lines]), "batch.jsonl");
  const file = await (await call(server, "/v1/files", { method: "POST", body: form })).json();
  const batch = await call(server, "/v1/batches", { method: "POST",
    headers: { "content-type": "application/json" }, body: JSON.stringify({
      input_file_id: file.id, endpoint: kEndpoint, completion_window: "24h" }) });
  return (await batch.json()).id;
}

const look = async (server, id) => (await call(server, `/v1/batches/${id}`)).json();

// The texts of a batch by custom_id, and the faults in its file.
async function results(server, batch, faults) {
  const texts = new Map();
  const file = await call(server, `/v1/files/${batch.output_file_id}/content`);
  for (const line of (await file.text()).trim().split("\n")) {
    const result = JSON.parse(line);
    if (texts.has(result.custom_id)) faults.push(`${result.custom_id} has two results`);
    texts.set(result.custom_id, result.response.body.choices[0].message.content);
  }
  return texts;
}

async function finish(server, id) {
  return eventually("the batch ends", async () => {
    const batch = await look(server, id);
    return batch.status === "completed" ? batch : null;
  });
}

// Looks at the batch until the moment of the kill; the most that was said to be done.
async function watchUntil(server, id, end) {
  let completed = 0;
  while (performance.now() < end) {
    completed = Math.max(completed, (await look(server, id)).request_counts.completed);
    await sleep(2);
  }
  return completed;
}

export async function killBatches(options) {
  const random = randomNumbers(options.seed);
  const count = options.tiny ? 40 : 3000;
  const lines = batchLines(count);
  const folder = await mkdtemp(join(tmpdir(), "minim-kills-"));
  const faults = [];
  let server = await Server.start(["--data", join(folder, "whole")]);
  try {
    const begun = performance.now();
    const wholeId = await begin(server, lines);
    const whole = await results(server, await finish(server, wholeId), faults);
    const alone = performance.now() - begun;
    await server.stop();

    server = await Server.start(["--data", join(folder, "killed")]);
    const id = await begin(server, lines);
    let said = 0, kills = 0, last = 0;
    for (; kills < options.kills; ++kills) {
      const end = performance.now() + (0.2 + 1.2 * random()) * alone / (options.kills + 4);
      said = Math.max(said, await watchUntil(server, id, end));
      await server.kill();
      server = await Server.start(["--data", join(folder, "killed")]);
      last = (await look(server, id)).request_counts.completed;
      if (last < said) faults.push(`${said} were said to be done, ${last} after kill ${kills + 1}`);
      if (last >= count) break;
    }
    if (last >= count) faults.push(`the batch was over after ${kills} kills`);
    const killed = await results(server, await finish(server, id), faults);
    let other = 0;
    for (const [name, text] of whole) if (killed.get(name) !== text) ++other;
    if (killed.size !== count) faults.push(`${count - killed.size} requests have no result`);
    if (other > 0) faults.push(`${other} results are not those of a server that nobody killed`);
    return { faults, figures: { kills, count, said, alone_ms: alone }, rows: [
      { what: `kill -9 within a batch of ${count} requests`, value: `${kills} times` },
      { what: "results lost, repeated or different from those without a kill",
        value: `${faults.length === 0 ? 0 : faults.length}` },
    ] };
  } finally {
    await server.stop();
    await rm(folder, { recursive: true });
  }
}
