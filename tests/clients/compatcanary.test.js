// CompatCanary, a third party's scanner of servers like this one: no finding in its modern profile.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Server, model } from "./server.js";

test("compatcanary, profile modern", async () => {
  const server = await Server.start();
  try {
    const library = createRequire(import.meta.url).resolve("compatcanary");
    const scanner = join(dirname(library), "cli.js");
    const [code, report] = await new Promise((resolve) => execFile(process.execPath,
      [scanner, "scan", "--base-url", `${server.url}/v1`, "--model", model, "--profile", "modern",
        "--format", "json", "--fail-on", "any", "--timeout", "120"],
      (error, stdout, stderr) => resolve([error?.code ?? 0, stdout + stderr])));
    assert.equal(code, 0, report);
    const checks = JSON.parse(report).results ?? JSON.parse(report).checks;
    assert.ok(checks.length >= 7, report);
  } finally {
    await server.stop();
  }
});
