/**
 * Sizes, rates and durations as people write them. The vectors in
 * tests/vectors/units.json hold for the clients of every language.
 *
 * A bare number is bytes; K M G T P and KiB MiB … are powers of 1024, kB KB MB …
 * powers of 1000. Small m, and b for bits, are refused: they have been read both ways
 * too often. Sizes and rates are bigints, durations milliseconds.
 */

import { BadArgument } from "./errors.js";

const POWERS = ["", "K", "M", "G", "T", "P", "E"];
const SUFFIXES = new Map([["B", 1n]]);
for (const [power, letter] of POWERS.entries()) {
  SUFFIXES.set(letter, 1024n ** BigInt(power));
  if (power === 0) continue;
  SUFFIXES.set(`${letter}iB`, 1024n ** BigInt(power));
  SUFFIXES.set(`${letter}B`, 1000n ** BigInt(power));
}
SUFFIXES.set("k", 1024n).set("kiB", 1024n).set("kB", 1000n);

const MILLISECONDS = new Map([
  ["ms", 1n],
  ["s", 1000n],
  ["m", 60_000n],
  ["h", 3_600_000n],
  ["d", 86_400_000n],
]);

const MAX_SIZE = 2n ** 63n - 1n;
// What a Duration of protobuf can hold, about 10,000 years.
const MAX_MILLISECONDS = 315_576_000_000_000n;
// More digits than any number that is meant.
const LONGEST = 64;

/** A decimal number times a whole one: this many times 10^-`places`. */
interface Exact {
  readonly digits: bigint;
  readonly places: bigint;
}

/** Bytes. Throws BadArgument that says what would be right. */
export function parseSize(text: string): bigint {
  const [, number = "", suffix = ""] =
    /^([0-9]+(?:\.[0-9]+)?)[ \t\r\n\f\v]*([A-Za-z]*)$/.exec(text.trim()) ?? [];
  if (number === "" || text.length > LONGEST) {
    throw new BadArgument(`not a size: '${text}' (write 512, 64K, 1.5GiB or 200MB)`);
  }
  const factor = SUFFIXES.get(suffix);
  if (factor === undefined) {
    throw new BadArgument(
      `unknown unit '${suffix}' in '${text}' ` +
        "(K M G T or KiB MiB … = 1024, kB MB … = 1000)",
    );
  }
  const { digits, places } = times(number, factor);
  if (digits % 10n ** places !== 0n) {
    throw new BadArgument(`'${text}' is not a whole number of bytes`);
  }
  const size = digits / 10n ** places;
  if (size > MAX_SIZE) throw new BadArgument(`'${text}' is more than 2^63-1 bytes`);
  return size;
}

/** Bytes a second: a size, with or without "/s". */
export function parseRate(text: string): bigint {
  const rate = parseSize(text.trim().replace(/\/s$/, ""));
  if (rate === 0n) {
    throw new BadArgument("a rate of 0 moves nothing; leave it out for no limit");
  }
  return rate;
}

/** Milliseconds: a bare number is seconds; or 90s, 1h30m, 250ms. */
export function parseDuration(text: string): number {
  const stripped = text.trim();
  const spans = /^[0-9]+(\.[0-9]+)?$/.test(stripped) ? `${stripped}s` : stripped;
  const isDuration = /^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$/.test(spans);
  if (!isDuration || text.length > LONGEST) {
    throw new BadArgument(`not a duration: '${text}' (write 90, 90s, 1h30m or 250ms)`);
  }
  const parts = [...spans.matchAll(/([0-9.]+)(ms|s|m|h|d)/g)];
  if (new Set(parts.map(([, , unit]) => unit)).size !== parts.length) {
    throw new BadArgument(`'${text}' names a unit twice`);
  }
  const whole = parts
    .map(([, number = "", unit = ""]) => times(number, MILLISECONDS.get(unit) ?? 0n))
    .reduce(sum);
  if (whole.digits > MAX_MILLISECONDS * 10n ** whole.places) {
    throw new BadArgument(`'${text}' is more than 10,000 years`);
  }
  return Number(`${whole.digits}e-${whole.places}`);
}

/** A size for people: 1.5 GiB. Exact below 1 KiB. */
export function formatSize(bytes: bigint | number): string {
  let size = Number(bytes);
  if (size < 1024) return `${Math.trunc(size)} B`;
  let power = 0;
  // What would be shown as 1024 is 1 of the next unit.
  for (; size >= 1023.5 && power < POWERS.length - 1; power++) size /= 1024;
  const shown = rounded(size, size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
  return `${Number(shown)} ${POWERS[power]}iB`;
}

export function formatRate(bytesPerSecond: bigint | number): string {
  return `${formatSize(bytesPerSecond)}/s`;
}

/** A duration for people, two units at most: 1h 5m, 42s, 1.5s, 250ms. */
export function formatDuration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds > 0 && seconds < 0.95) {
    return `${Math.max(1, Number(rounded(milliseconds, 0)))}ms`;
  }
  if (seconds > 0 && seconds < 9.95) return `${Number(rounded(seconds, 1))}s`;
  let left = Number(rounded(seconds, 0));
  const parts: string[] = [];
  for (const [unit, span] of [
    ["d", 86400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const amount = Math.floor(left / span);
    left -= amount * span;
    if (amount > 0) parts.push(`${amount}${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0s";
}

function times(number: string, factor: bigint): Exact {
  const [whole = "", fraction = ""] = number.split(".");
  return { digits: BigInt(whole + fraction) * factor, places: BigInt(fraction.length) };
}

function sum(one: Exact, other: Exact): Exact {
  const places = one.places > other.places ? one.places : other.places;
  const scaled = (it: Exact): bigint => it.digits * 10n ** (places - it.places);
  return { digits: scaled(one) + scaled(other), places };
}

/** Half to even, as every language does it; toFixed rounds half up. */
function rounded(value: number, digits: number): string {
  const scaled = value * 10 ** digits;
  const isHalf = Number.isInteger(value * 8) && scaled % 1 === 0.5;
  if (!isHalf) return value.toFixed(digits);
  const even = 2 * Math.round(scaled / 2);
  return (even / 10 ** digits).toFixed(digits);
}
