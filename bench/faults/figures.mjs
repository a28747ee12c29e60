// What the runs share: random numbers that can be repeated, medians, and what a process holds.
import { readFileSync, readdirSync } from "node:fs";

// Numbers from 0 to 1 (xorshift32).
export function randomNumbers(seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

// The value below which a share `q` of them lies.
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}
export const median = (values) => quantile(values, 0.5);

export const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

export function residentBytes(pid) {
  const pages = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1];
  return Number(pages) * 4096;
}
