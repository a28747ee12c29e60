// A `minim serve` of its own for each file of tests, on a free port, with the built-in model.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const minim = () => process.env.MINIM; // the program
const kPatienceMs = 120_000; // instrumented builds are slow

export const model = "nano";
export const messages = [{ role: "user", content: "Tell me a story about a cat." }];

// Fields of a request whose answer is long, whatever the model: for those who leave before its end.
export const lengthy = {
  max_tokens: 1900, response_format: { type: "regex", pattern: "[a-z ]{9000}" } };

// What the model may call: short arguments, so that a call always has room to end.
export const weather = {
  name: "get_weather",
  description: "The weather in a city",
  parameters: {
    type: "object",
    properties: {
      city: { type: "string", enum: ["Rome", "Oslo"] },
      unit: { type: "string", enum: ["celsius", "fahrenheit"] },
    },
    required: ["city", "unit"],
    additionalProperties: false,
  },
};

// Calls `look` until it returns something; fails with `what` where that takes too long.
export async function eventually(what, look) {
  const end = Date.now() + kPatienceMs;
  while (Date.now() < end) {
    const found = await look();
    if (found) return found;
    await sleep(20);
  }
  throw new Error(`${what}: not within ${kPatienceMs / 1000} s`);
}

export class Server {
  // `options` go to minim serve besides those that all tests need.
  static async start(options = []) {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "minim-clients-"));
    server.child = spawn(minim(), ["serve", "--port", "0", ...options], {
      cwd: server.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    server.said = "";
    for (const stream of [server.child.stdout, server.child.stderr]) {
      stream.on("data", (text) => (server.said += text));
    }
    server.exited = once(server.child, "exit");
    const found = await eventually("minim serve gets ready", () => {
      if (server.child.exitCode !== null) throw new Error(`minim serve ended: ${server.said}`);
      return /^serving .* at (http:\/\/127\.0\.0\.1:\d+)\/v1/m.exec(server.said);
    });
    server.url = found[1];
    return server;
  }

  // Makes a key in the file `keys` of `folder`; the key itself.
  static async newKey(folder, name, options = []) {
    const made = await promisify(execFile)(
      minim(), ["serve", "--keys", join(folder, "keys"), "--new-key", name, ...options]);
    return made.stdout.trim();
  }

  // Ends it as an operator does, and fails where it does not end well.
  async stop() {
    this.child.kill("SIGTERM");
    const [code, signal] = await this.exited;
    await rm(this.folder, { recursive: true });
    if (code !== 0) throw new Error(`minim serve ended with ${code ?? signal}: ${this.said}`);
  }

  // Ends it as the system does with whoever uses too much memory.
  async kill() {
    this.child.kill("SIGKILL");
    await this.exited;
    await rm(this.folder, { recursive: true });
  }

  // The value of a metric, summed over its labels.
  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const lines = text.split("\n").filter((line) => new RegExp(`^${name}[ {]`).test(line));
    if (lines.length === 0) throw new Error(`there is no metric ${name}`);
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  // Waits until no text is computed any more: what a client that left must lead to.
  async idle() {
    await eventually("texts end", async () => (await this.metric("minim_texts_active")) === 0);
  }
}
