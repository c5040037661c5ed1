/** A watch that goes on by itself: what a frame means, when to come back. */

import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { Code } from "../gen/google/rpc/code_pb.js";
import type { Job, JobState } from "../gen/longshore/v1/job_pb.js";
import type { JobProgress } from "../gen/longshore/v1/job_progress_pb.js";
import {
  CursorSchema,
  type Cursor,
  type JobEventBatch,
  type JobEventKind,
  type JobSelectorSchema,
  WatchCloseReason,
  type WatchClosing,
  type WatchJobsRequestSchema,
  type WatchJobsResponse,
} from "../gen/longshore/v1/watch_pb.js";
import * as errors from "./errors.js";

// Reconnecting: full jitter between 0 and a ceiling that doubles.
const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 10_000;
// A stream that lived so long starts the backoff afresh.
const HEALTHY_MS = 30_000;
// Silence for so many heartbeats: the stream is dead.
const HEARTBEATS_MISSED = 3;
// A daemon beats once a second at most; what claims more is not believed.
const HEARTBEAT_MIN_MS = 100;
// Until `opened` has said what the heartbeat is.
const FIRST_FRAME_MS = 30_000;
// What a timer of Node can hold.
const TIMER_MAX_MS = 2 ** 31 - 1;

/** One durable change of one job. */
export interface Event {
  readonly type: "event";
  readonly kind: JobEventKind;
  readonly revision: bigint;
  readonly job: Job | undefined;
  readonly previousState: JobState;
  readonly eventTime: Timestamp | undefined;
  /**
   * Includes this change: saved together with what the change caused, it makes every
   * change take effect exactly once, even across a crash.
   */
  readonly cursor: Cursor;
}

/** The newest progress of one job; not history, may skip values. */
export interface Progress {
  readonly type: "progress";
  readonly jobId: string;
  readonly progress: JobProgress | undefined;
}

/**
 * Every job that matches: as a "snapshot" at the start of the watch; "resynced" when
 * history was lost: these are the jobs now, and what is not here is gone.
 */
export interface Snapshot {
  readonly type: "snapshot" | "resynced";
  readonly jobs: readonly Job[];
  readonly cursor: Cursor | undefined;
}

export type Value = Event | Progress | Snapshot;

/** How to watch; all of it may be left out. */
export interface How {
  /** Which jobs: fields are joined by and, the values of one by or. */
  readonly select?: MessageInitShape<typeof JobSelectorSchema>;
  /** Resume after it; without, begin with a snapshot. */
  readonly cursor?: MessageInitShape<typeof CursorSchema> | undefined;
  /** Begin with the next change instead, without a snapshot. */
  readonly fromNow?: boolean;
  /** Lost history throws HistoryLost; else it is a "resynced". */
  readonly strict?: boolean;
  /** Durable changes only. */
  readonly omitProgress?: boolean;
  /** Between samples of one job (the daemon's own: 1 s). */
  readonly progressIntervalMs?: number;
  /**
   * Silence after which the daemon shows that it lives (its own: 15 s); three of them
   * missed, a new stream.
   */
  readonly heartbeatIntervalMs?: number;
  /** End once every job selected has ended. */
  readonly stopWhenFinished?: boolean;
  /** Throw when the daemon has been away so long; without, come back for ever. */
  readonly patienceMs?: number;
  /** Ends the watch; the loop throws its reason. */
  readonly signal?: AbortSignal;
}

type Request = MessageInitShape<typeof WatchJobsRequestSchema>;
export type Open = (
  request: Request,
  signal: AbortSignal,
) => AsyncIterable<WatchJobsResponse>;

/**
 * Values, for one `for await`. Leaving the loop ends the call to the daemon, however it
 * is left; so does `close`, at any time.
 */
export class Watch implements AsyncIterable<Value>, AsyncDisposable {
  readonly #closed = new AbortController();
  #cursor: Cursor | undefined;
  #fromNow: boolean;
  #isResync = false;
  #isFinished = false;
  #gathered: Job[] = [];
  #failures = 0;
  #awayMs = 0;
  #isHeard = false;
  #silenceMs = FIRST_FRAME_MS;
  #retryDelayMs = 0;

  constructor(
    private readonly open: Open,
    private readonly how: How,
    private readonly ending: AbortSignal,
    private readonly chance: () => number = Math.random,
  ) {
    this.#cursor = how.cursor && create(CursorSchema, how.cursor);
    this.#fromNow = how.fromNow ?? false;
  }

  /**
   * Everything up to here was handed out and the next value asked for: leaving in
   * between repeats a value rather than losing one.
   */
  get cursor(): Cursor | undefined {
    return this.#cursor;
  }

  close(): void {
    this.#closed.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Value, void, undefined> {
    const close = (): void => this.close();
    const { signal } = this.how;
    if (signal) setMaxListeners(0, signal);
    signal?.addEventListener("abort", close);
    this.ending.addEventListener("abort", close);
    try {
      while (!this.#closed.signal.aborted && !this.#isFinished) {
        signal?.throwIfAborted();
        const began = performance.now();
        let error: Error = new errors.ConnectionFailed("the daemon ends every watch");
        try {
          yield* this.#stream();
        } catch (thrown) {
          error = errors.fromCall(thrown);
        }
        if (this.#closed.signal.aborted || this.#isFinished) continue;
        const delay = this.#comeBack(error, performance.now() - began);
        await sleep(delay, undefined, { signal: this.#closed.signal }).catch(() => {});
      }
      signal?.throwIfAborted();
    } finally {
      signal?.removeEventListener("abort", close);
      this.ending.removeEventListener("abort", close);
      this.close();
    }
  }

  /** One stream to its end, which comes by itself if it has gone silent. */
  async *#stream(): AsyncGenerator<Value, void, undefined> {
    const call = new AbortController();
    const cancel = (): void => call.abort();
    this.#closed.signal.addEventListener("abort", cancel);
    const dog = new Watchdog(cancel);
    try {
      const frames = this.open(this.#request(), call.signal);
      dog.feed(this.#silenceMs);
      for await (const frame of frames) {
        dog.rest();
        yield* this.#values(frame);
        if (this.#isFinished) return;
        dog.feed(this.#silenceMs);
      }
    } catch (error) {
      if (!dog.hasBitten) throw error;
      throw new errors.ConnectionFailed("the watch has gone silent", { cause: error });
    } finally {
      dog.rest();
      this.#closed.signal.removeEventListener("abort", cancel);
      call.abort();
    }
  }

  /** What to send to open the next stream. */
  #request(): Request {
    this.#gathered = [];
    this.#retryDelayMs = 0;
    this.#isHeard = false;
    this.#silenceMs = FIRST_FRAME_MS;
    const { how } = this;
    return {
      start: this.#cursor
        ? { case: "resumeAfter", value: this.#cursor }
        : this.#fromNow
          ? { case: "fromNow", value: {} }
          : { case: undefined },
      selector: how.select,
      progressInterval: span(how.progressIntervalMs),
      heartbeatInterval: span(how.heartbeatIntervalMs),
      omitProgress: how.omitProgress,
      stopWhenFinished: how.stopWhenFinished,
    };
  }

  *#values({ cursor, frame }: WatchJobsResponse): Generator<Value, void, undefined> {
    this.#isHeard = true;
    this.#awayMs = 0;
    switch (frame.case) {
      case "opened":
        this.#silenceMs = silenceMs(errors.milliseconds(frame.value.heartbeatInterval));
        break;
      case "snapshot":
        this.#gathered.push(...frame.value.jobs);
        break;
      case "snapshotEnd":
        yield this.#whole(cursor);
        break;
      case "events":
        yield* this.#events(frame.value, cursor?.historyId ?? "");
        break;
      case "progress":
        for (const { jobId, progress } of frame.value.samples) {
          yield { type: "progress", jobId, progress };
        }
        break;
      case "closing":
        this.#plannedEnd(frame.value);
        break;
      // A bookmark, or a kind of frame that is newer than this client.
    }
    if (cursor && this.#isNews(cursor.revision)) this.#cursor = cursor;
  }

  #whole(cursor: Cursor | undefined): Snapshot {
    const value = {
      type: this.#isResync ? "resynced" : "snapshot",
      jobs: this.#gathered,
      cursor,
    } as const;
    this.#gathered = [];
    this.#isResync = false;
    return value;
  }

  *#events(batch: JobEventBatch, historyId: string): Generator<Event, void, undefined> {
    for (const { kind, revision, job, previousState, eventTime } of batch.events) {
      if (!this.#isNews(revision)) continue;
      const cursor = create(CursorSchema, { historyId, revision });
      yield { type: "event", kind, revision, job, previousState, eventTime, cursor };
      this.#cursor = cursor;
    }
  }

  #isNews(revision: bigint): boolean {
    return this.#cursor === undefined || revision > this.#cursor.revision;
  }

  #plannedEnd({ reason, retryDelay }: WatchClosing): void {
    this.#retryDelayMs = Math.max(0, errors.milliseconds(retryDelay));
    this.#isFinished = reason === WatchCloseReason.FINISHED;
  }

  /** Until the next stream; throws the error if none would help. */
  #comeBack(error: Error, livedMs: number): number {
    if (isHistoryGone(error) && this.#cursor !== undefined) {
      if (this.how.strict)
        throw new errors.HistoryLost(error.message, { cause: error });
      [this.#cursor, this.#fromNow, this.#isResync] = [undefined, false, true];
      return 0;
    }
    if (error instanceof errors.LimitReached && error.retryDelayMs !== undefined) {
      this.#retryDelayMs = error.retryDelayMs;
    } else if (!PASSING.some((kind) => error instanceof kind)) {
      throw error;
    }
    if (livedMs >= HEALTHY_MS) this.#failures = 0;
    const delay = this.#retryDelayMs + backoffMs(this.#failures++) * this.chance();
    this.#awayMs += this.#isHeard ? delay : livedMs + delay;
    if (this.#awayMs > (this.how.patienceMs ?? Infinity)) throw error;
    return Math.min(delay, TIMER_MAX_MS);
  }
}

const PASSING = [errors.ConnectionFailed, errors.Unavailable, errors.DeadlineExceeded];

/** Bites when it was fed for a time that has passed. */
class Watchdog {
  hasBitten = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly bite: () => void) {}

  feed(ms: number): void {
    this.#timer = setTimeout(
      () => {
        this.hasBitten = true;
        this.bite();
      },
      Math.min(ms, TIMER_MAX_MS),
    );
  }

  rest(): void {
    clearTimeout(this.#timer);
  }
}

export function backoffMs(failures: number): number {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** failures);
}

function silenceMs(heartbeatMs: number): number {
  if (heartbeatMs <= 0) return FIRST_FRAME_MS;
  return HEARTBEATS_MISSED * Math.max(heartbeatMs, HEARTBEAT_MIN_MS);
}

/** By the code: a newer daemon may have more reasons for it. */
function isHistoryGone(error: Error): boolean {
  if (error instanceof errors.HistoryGone) return true;
  return error instanceof errors.ServiceError && error.code === Code.OUT_OF_RANGE;
}

function span(ms: number | undefined): Duration | undefined {
  return ms === undefined ? undefined : durationFromMs(Math.round(ms));
}
