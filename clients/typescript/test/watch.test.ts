import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectionFailed,
  HistoryLost,
  ServiceError,
  Watch,
} from "@longshore/client";
import type { How, Value } from "@longshore/client";
import {
  WatchCloseReason,
  type WatchJobsResponse,
  WatchJobsResponseSchema,
} from "@longshore/client/v1/watch";
import { HistoryGone, LimitReached } from "../src/errors.js";
import { backoffMs } from "../src/watch.js";

type Frame = MessageInitShape<typeof WatchJobsResponseSchema>;
type Request = Parameters<ConstructorParameters<typeof Watch>[0]>[0];

const historyId = "h";
const at = (revision: bigint) => ({ historyId, revision });

function events(...revisions: bigint[]): Frame {
  const last = at(revisions.at(-1)!);
  const batch = { events: revisions.map((revision) => ({ revision, kind: 2 })) };
  return { cursor: last, frame: { case: "events", value: batch } };
}

function snapshot(revision: bigint, ...jobIds: string[]): Frame[] {
  const value = { jobs: jobIds.map((jobId) => ({ jobId })) };
  return [
    { frame: { case: "snapshot", value } },
    { cursor: at(revision), frame: { case: "snapshotEnd", value: {} } },
  ];
}

const bookmark = (revision: bigint): Frame => ({
  cursor: at(revision),
  frame: { case: "bookmark", value: {} },
});

const finished: Frame = {
  frame: { case: "closing", value: { reason: WatchCloseReason.FINISHED } },
};

/** Streams of frames, one after another; an Error breaks the stream off. */
class Daemon {
  readonly requests: Request[] = [];
  readonly signals: AbortSignal[] = [];
  readonly ending = new AbortController();

  constructor(private readonly streams: (Frame | Error)[][]) {}

  watch(how: How = {}): Watch {
    const open = (request: Request, signal: AbortSignal) => {
      this.requests.push(request);
      this.signals.push(signal);
      return this.#stream(this.streams.shift() ?? [finished]);
    };
    // Without jitter there is no waiting.
    return new Watch(open, how, this.ending.signal, () => 0);
  }

  async *#stream(frames: (Frame | Error)[]): AsyncGenerator<WatchJobsResponse> {
    for (const frame of frames) {
      if (frame instanceof Error) throw frame;
      yield create(WatchJobsResponseSchema, frame);
    }
  }
}

async function all(watch: Watch): Promise<string[]> {
  const seen: string[] = [];
  for await (const value of watch) seen.push(told(value));
  return seen;
}

function told(value: Value): string {
  if (value.type === "event") return `event ${value.revision}`;
  if (value.type === "progress") return `progress ${value.jobId}`;
  return `${value.type} ${value.jobs.map(({ jobId }) => jobId).join()}`;
}

test("a snapshot in pieces is one value", async () => {
  const [one, two] = [snapshot(1n, "a"), snapshot(1n, "b")];
  const daemon = new Daemon([[one[0]!, ...two, events(2n), finished]]);
  assert.deepEqual(await all(daemon.watch()), ["snapshot a,b", "event 2"]);
});

test("a stream that breaks off is resumed after what was told", async () => {
  const daemon = new Daemon([
    [...snapshot(1n), events(2n, 3n), new ConnectionFailed("")],
  ]);
  await all(daemon.watch());
  const { start } = daemon.requests[1]!;
  assert.equal(start?.case === "resumeAfter" && start.value.revision, 3n);
});

test("what the daemon repeats is told once", async () => {
  const daemon = new Daemon([[...snapshot(1n), events(2n), events(2n, 3n), finished]]);
  assert.deepEqual(await all(daemon.watch()), ["snapshot ", "event 2", "event 3"]);
});

test("a bookmark is hidden and moves the cursor", async () => {
  const watch = new Daemon([[...snapshot(1n), bookmark(9n), finished]]).watch();
  assert.deepEqual(await all(watch), ["snapshot "]);
  assert.equal(watch.cursor?.revision, 9n);
});

test("the cursor moves when the next value is asked for", async () => {
  const watch = new Daemon([[...snapshot(1n), events(2n, 3n), finished]]).watch();
  const cursors: (bigint | undefined)[] = [];
  for await (const _ of watch) cursors.push(watch.cursor?.revision);
  assert.deepEqual(cursors, [undefined, 1n, 2n]);
  assert.equal(watch.cursor?.revision, 3n);
});

test("leaving the loop ends the call", async () => {
  const daemon = new Daemon([snapshot(1n)]);
  for await (const _ of daemon.watch()) break;
  assert.deepEqual(
    daemon.signals.map(({ aborted }) => aborted),
    [true],
  );
});

test("the end of the client ends the watch", async () => {
  const daemon = new Daemon([[...snapshot(1n), events(2n), new ConnectionFailed("")]]);
  const seen: string[] = [];
  for await (const value of daemon.watch()) {
    seen.push(told(value));
    if (value.type === "event") daemon.ending.abort();
  }
  assert.deepEqual(seen, ["snapshot ", "event 2"]);
  assert.equal(daemon.requests.length, 1);
});

test("a signal ends the watch with its reason", async () => {
  const caller = new AbortController();
  const watch = new Daemon([snapshot(1n)]).watch({ signal: caller.signal });
  const left = async () => {
    for await (const _ of watch) caller.abort(new Error("enough"));
  };
  await assert.rejects(left, /enough/);
});

test("history that is gone is resynced", async () => {
  const gone = new HistoryGone("", { code: Code.OUT_OF_RANGE });
  const daemon = new Daemon([[gone], [...snapshot(7n, "a"), finished]]);
  assert.deepEqual(await all(daemon.watch({ cursor: at(3n) })), ["resynced a"]);
  assert.equal(daemon.requests[1]!.start?.case, undefined);
});

test("history that is gone ends a strict watch", async () => {
  const gone = new ServiceError("", { code: Code.OUT_OF_RANGE });
  const watch = new Daemon([[gone]]).watch({ cursor: at(3n), strict: true });
  await assert.rejects(all(watch), HistoryLost);
});

test("an error that stays ends the watch", async () => {
  const daemon = new Daemon([
    [new ServiceError("no", { code: Code.PERMISSION_DENIED })],
  ]);
  await assert.rejects(all(daemon.watch()), /no/);
});

test("too many watches are waited for if the daemon says how long", async () => {
  const full = { code: Code.RESOURCE_EXHAUSTED };
  const later = new LimitReached("later", { ...full, retryDelayMs: 0 });
  const daemon = new Daemon([[later], [new LimitReached("never", full)]]);
  await assert.rejects(all(daemon.watch()), /never/);
  assert.equal(daemon.requests.length, 2);
});

test("patience has an end", async () => {
  const broken = Array.from({ length: 3 }, () => [new ConnectionFailed("away")]);
  const daemon = new Daemon(broken);
  await assert.rejects(all(daemon.watch({ patienceMs: 0 })), /away/);
  assert.equal(daemon.requests.length, 1);
});

test("silence of three heartbeats is a dead stream", async () => {
  const opened: Frame = {
    frame: { case: "opened", value: { heartbeatInterval: durationFromMs(1) } },
  };
  let streams = 0;
  const open = async function* (_: Request, signal: AbortSignal) {
    streams += 1;
    yield create(WatchJobsResponseSchema, streams === 1 ? opened : finished);
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error("cancelled")));
    });
  };
  const never = new AbortController().signal;
  assert.deepEqual(await all(new Watch(open, {}, never, () => 0)), []);
  assert.equal(streams, 2);
});

test("the backoff doubles from 0.1 s to 10 s", () => {
  const ceilings = [0, 1, 2, 6, 7, 5000].map(backoffMs);
  assert.deepEqual(ceilings, [100, 200, 400, 6400, 10_000, 10_000]);
});

test("an event holds what the daemon said, and a cursor of its own", async () => {
  const watch = new Daemon([[events(5n, 6n), finished]]).watch({ fromNow: true });
  const cursors: (bigint | undefined)[] = [];
  for await (const value of watch)
    cursors.push(value.type === "event" ? value.cursor.revision : 0n);
  assert.deepEqual(cursors, [5n, 6n]);
});
