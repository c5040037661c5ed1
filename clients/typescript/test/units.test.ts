import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  BadArgument,
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseRate,
  parseSize,
} from "@longshore/client";

interface Vectors {
  valid: { text: string; value: number | string }[];
  invalid: string[];
}

const file = new URL("../../../../tests/vectors/units.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Record<string, Vectors>;

const PARSERS: Record<string, (text: string) => number | bigint> = {
  size: parseSize,
  rate: parseRate,
  duration: (text) => parseDuration(text) / 1000,
};

for (const [what, parse] of Object.entries(PARSERS)) {
  const { valid, invalid } = vectors[what]!;

  test(`every valid ${what} of the shared vectors is read`, () => {
    for (const { text, value } of valid) {
      const expected = what === "duration" ? value : BigInt(value);
      assert.equal(parse(text), expected, text);
    }
  });

  test(`every invalid ${what} of the shared vectors is refused`, () => {
    for (const text of invalid) assert.throws(() => parse(text), BadArgument, text);
  });
}

test("sizes for people have three digits and binary units", () => {
  const shown = [0n, 1023n, 1024n, 1152n, 1536, 1047552n, 2n ** 63n - 1n].map(
    formatSize,
  );
  assert.deepEqual(shown, [
    "0 B",
    "1023 B",
    "1 KiB",
    "1.12 KiB",
    "1.5 KiB",
    "1023 KiB",
    "8 EiB",
  ]);
});

test("what would be shown as 1024 is 1 of the next unit", () => {
  assert.equal(formatSize(1024n ** 2n - 1n), "1 MiB");
});

test("a rate is a size a second", () => {
  assert.equal(formatRate(50n << 20n), "50 MiB/s");
});

test("durations for people have two units at most", () => {
  const shown = [0, 0.25, 250, 1500, 42_000, 3_900_000, 90_061_000].map(formatDuration);
  assert.deepEqual(shown, ["0s", "1ms", "250ms", "1.5s", "42s", "1h 5m", "1d 1h"]);
});
