// A process that holds connections: holder.mjs URL. Messages say how many; each is answered when
// they are there, with the number of idle ones that the server has closed since the last.
import { connect } from "node:net";

const { hostname, port } = new URL(process.argv[2]);
const kHeader = `POST /v1/chat/completions HTTP/1.1\r\nhost: ${hostname}:${port}\r\nx: `;
const kPeriodMs = 1000;
const kTogether = 256; // connections that are being opened at once

const idle = new Set();
const slow = new Map(); // to the number of bytes that were sent
let slowWanted = 0, dropped = 0;

function open() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      socket.resume();
      resolve(socket);
    });
  });
}

async function addIdle() {
  const socket = await open();
  idle.add(socket);
  socket.on("close", () => { if (idle.delete(socket)) ++dropped; });
}

// Its header never ends. The server closes it after a while; then another takes its place.
async function addSlow() {
  const socket = await open();
  slow.set(socket, 0);
  socket.on("close", () => {
    if (slow.delete(socket) && slow.size < slowWanted) addSlow().catch(() => {});
  });
}

// A tenth of the slow ones every tenth of the period.
let turn = 0;
setInterval(() => {
  let i = 0;
  turn = (turn + 1) % 10;
  for (const [socket, sent] of slow) {
    if (i++ % 10 !== turn) continue;
    socket.write(sent < kHeader.length ? kHeader[sent] : "x");
    slow.set(socket, sent + 1);
  }
}, kPeriodMs / 10);

async function addMany(count, add) {
  while (count > 0) {
    const now = Math.min(count, kTogether);
    await Promise.all(Array.from({ length: now }, add));
    count -= now;
  }
}

process.on("message", async (wanted) => {
  try {
    slowWanted = wanted.slow;
    const closing = wanted.idle === 0 ? [...idle, ...slow.keys()] : [];
    if (closing.length > 0) {
      idle.clear();
      slow.clear();
      for (const socket of closing) socket.resetAndDestroy();
    }
    await addMany(wanted.idle - idle.size, addIdle);
    await addMany(wanted.slow - slow.size, addSlow);
    process.send({ dropped });
    dropped = 0;
  } catch (error) {
    console.error(`holder: ${error.message}`);
    process.exit(1);
  }
});
process.on("disconnect", () => process.exit(0));
