import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallOptions } from "@connectrpc/connect";
import {
  Code,
  ConnectionFailed,
  DeadlineExceeded,
  ServiceError,
} from "@longshore/client";
import { ask, newRequestId, once, retryDelayMs } from "../src/calls.js";
import { LimitReached, NoSpace, Unavailable } from "../src/errors.js";

const code = Code.UNAVAILABLE;
const HIGHEST = () => 1;
const LOWEST = () => 0;

/** A method that throws these one after another, and then answers. */
function failing(...errors: Error[]) {
  const calls: string[] = [];
  const method = async (request: string): Promise<string> => {
    calls.push(request);
    const error = errors.shift();
    if (error) throw error;
    return "done";
  };
  return { method, calls };
}

test("the backoff doubles from 0.1 s to 1 s", () => {
  const delays = [1, 2, 3, 4, 5, 6].map((attempt) =>
    retryDelayMs(new ConnectionFailed(""), attempt, HIGHEST),
  );
  assert.deepEqual(delays, [100, 200, 400, 800, 1000, 1000]);
});

test("the jitter takes no more than half", () => {
  assert.equal(retryDelayMs(new Unavailable("", { code }), 1, LOWEST), 50);
});

test("a short retry delay of the daemon is kept", () => {
  assert.equal(
    retryDelayMs(new LimitReached("", { code, retryDelayMs: 3000 }), 1),
    3000,
  );
  assert.equal(retryDelayMs(new LimitReached("", { code, retryDelayMs: 0 }), 1), 100);
});

test("a long retry delay is told instead", () => {
  const error = new Unavailable("", { code, retryDelayMs: 5001 });
  assert.equal(retryDelayMs(error, 1), undefined);
});

test("a full disk is not tried again, whatever it says", () => {
  assert.equal(retryDelayMs(new NoSpace("", { code, retryDelayMs: 1 }), 1), undefined);
});

test("a deadline and an answer are not tried again", () => {
  assert.equal(retryDelayMs(new DeadlineExceeded(""), 1), undefined);
  assert.equal(retryDelayMs(new ServiceError("", { code }), 1), undefined);
});

test("what is sent again is what may be repeated", async () => {
  const { method, calls } = failing(new ConnectionFailed(""));
  assert.equal(await ask(method, "first", { repeat: "again" }), "done");
  assert.deepEqual(calls, ["first", "again"]);
});

test("what may not be repeated is sent once", async () => {
  const { method, calls } = failing(new ConnectionFailed("gone"));
  await assert.rejects(ask(method, "first", { repeat: null }), ConnectionFailed);
  assert.deepEqual(calls, ["first"]);
});

test("every call has a deadline", async () => {
  const seen: (number | undefined)[] = [];
  const method = async (_: string, options?: CallOptions) =>
    seen.push(options?.timeoutMs);
  await ask(method, "");
  assert.deepEqual(seen, [10_000]);
});

test("a signal ends a call with its own reason", async () => {
  const caller = new AbortController();
  const method = async (): Promise<never> => {
    caller.abort(new Error("enough"));
    throw new ConnectionFailed("");
  };
  await assert.rejects(once(method, "", 1000, caller.signal), /enough/);
});

test("a signal ends the wait for the next try", async () => {
  const caller = new AbortController();
  const { method } = failing(new Unavailable("", { code, retryDelayMs: 5000 }));
  const call = ask(method, "", { signal: caller.signal });
  setImmediate(() => caller.abort());
  await assert.rejects(call, { name: "AbortError" });
});

test("a request id is a UUIDv7 of its time", () => {
  const id = newRequestId(0x0123_4567_89ab);
  assert.match(id, /^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual(newRequestId(), newRequestId());
});
