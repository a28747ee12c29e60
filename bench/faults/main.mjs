// ./dev bench faults: what minim serve does with clients that misbehave, and after kill -9. Ends
// with 1 where it does not do what docs/serve.md says.
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { holdConnections } from "./connections.mjs";
import { leaveStreams } from "./disconnects.mjs";
import { killBatches } from "./kills.mjs";

const kHelp = `usage: ./dev bench faults [OPTIONS]

  --only NAMES          of connections,disconnects,kills (default: all)
  --idle N              connections that say nothing (default 10000)
  --slow N              connections that send a byte a second (default 1000)
  --rounds N            rounds with and without them (default 5)
  --disconnects N       clients that leave within a stream (default 10000)
  --kills N             of a server that works on a batch (default 20)
  --seed N              of all random choices (default 1)
  --markdown FILE       write the table to this file
  --json FILE           write every figure to this file
  --minim PROGRAM       the program (./dev gives it)
  --tiny                small numbers that only show that everything works
`;

const number = (text, name) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    console.error(`bench: --${name} takes a number from 1 on, not '${text}'`);
    process.exit(2);
  }
  return value;
};

function readOptions() {
  const text = (value) => ({ type: "string", default: value });
  try {
    const { values } = parseArgs({ options: {
      only: text("connections,disconnects,kills"), idle: text("10000"), slow: text("1000"),
      rounds: text("5"), disconnects: text("10000"), kills: text("20"), seed: text("1"),
      markdown: text(""), json: text(""), minim: text(process.env.MINIM ?? ""),
      tiny: { type: "boolean", default: false }, help: { type: "boolean", short: "h" },
    } });
    return values;
  } catch (error) {
    console.error(`bench: ${error.message}; --help lists the options`);
    process.exit(2);
  }
}

const runs = { connections: holdConnections, disconnects: leaveStreams, kills: killBatches };

async function main() {
  const given = readOptions();
  if (given.help) return process.stdout.write(kHelp);
  const names = given.only.split(",");
  for (const name of names) {
    if (runs[name]) continue;
    console.error(`bench: there is no run '${name}'; there are ${Object.keys(runs).join(", ")}`);
    process.exit(2);
  }
  if (given.tiny) {
    Object.assign(given, { idle: "200", slow: "20", rounds: "1", disconnects: "60", kills: "2" });
  }
  if (given.minim === "") {
    console.error("bench: --minim PROGRAM is needed; ./dev bench faults gives it");
    process.exit(2);
  }
  process.env.MINIM = resolve(given.minim); // for the servers that are started
  const options = { tiny: given.tiny };
  for (const name of ["idle", "slow", "rounds", "disconnects", "kills", "seed"]) {
    options[name] = number(given[name], name);
  }
  const results = {};
  for (const name of names) {
    console.log(`# ${name}`);
    results[name] = await runs[name](options);
    for (const row of results[name].rows) console.log(`  ${row.what}: ${row.value}`);
    for (const fault of results[name].faults) console.log(`  FAULT: ${fault}`);
  }
  const rows = names.flatMap((name) => results[name].rows);
  const lines = rows.map((row) => `| ${row.what} | ${row.value} |`);
  const table = ["| what | measured |", "|---|---|", ...lines];
  if (given.markdown) writeFileSync(given.markdown, `${table.join("\n")}\n`);
  if (given.json) writeFileSync(given.json, `${JSON.stringify({ options, results }, null, 2)}\n`);
  if (names.some((name) => results[name].faults.length > 0)) process.exitCode = 1;
}

await main();
