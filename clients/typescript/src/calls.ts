/** How a call is made: its deadline, and when it is made again. */

import { randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "@connectrpc/connect";
import {
  ConnectionFailed,
  DeadlineExceeded,
  fromCall,
  NoSpace,
  ServiceError,
  Unavailable,
} from "./errors.js";

// Deadlines of single calls. A create looks at files and waits for a disk.
export const UNARY_MS = 10_000;
export const CREATE_MS = 30_000;

const TRIES = 4;
export const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 1000;
// Told to come back later than this, the caller is told instead of kept waiting.
const RETRY_DELAY_MAX_MS = 5000;

/** A unary method of a generated client. */
export type Unary<I, O> = (request: I, options?: CallOptions) => Promise<O>;

export interface Attempt<I> {
  readonly timeoutMs?: number;
  /** Once its answer was lost: what to send then; null if that might act twice. */
  readonly repeat?: I | null;
  readonly signal?: AbortSignal | undefined;
}

/** Call, and call again where that is safe and makes sense. */
export async function ask<I, O>(
  method: Unary<I, O>,
  request: I,
  { timeoutMs = UNARY_MS, repeat = request, signal }: Attempt<I> = {},
): Promise<O> {
  for (let attempt = 1, sent = request; ; attempt++) {
    try {
      return await once(method, sent, timeoutMs, signal);
    } catch (error) {
      const delay = attempt < TRIES ? retryDelayMs(error, attempt) : undefined;
      if (delay === undefined || repeat === null) throw error;
      sent = repeat;
      await sleep(delay, undefined, { signal });
    }
  }
}

/** One try; throws the typed error, or why `signal` was aborted. */
export async function once<I, O>(
  method: Unary<I, O>,
  request: I,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<O> {
  signal?.throwIfAborted();
  if (signal) setMaxListeners(0, signal);
  try {
    return await method(request, { timeoutMs, signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw fromCall(error);
  }
}

/** Until the next try, or undefined if another try would not help. */
export function retryDelayMs(
  error: unknown,
  attempt: number,
  chance: () => number = Math.random,
): number | undefined {
  if (error instanceof NoSpace) return undefined;
  if (error instanceof ServiceError && error.retryDelayMs !== undefined) {
    const isSoon = error.retryDelayMs <= RETRY_DELAY_MAX_MS;
    return isSoon ? Math.max(error.retryDelayMs, BACKOFF_MS) : undefined;
  }
  if (error instanceof ConnectionFailed || error instanceof Unavailable) {
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** (attempt - 1));
    return ceiling * (0.5 + chance() / 2);
  }
  return undefined;
}

/** As `retryDelayMs`; and a wait that got no answer in time is asked again. */
export function waitDelayMs(error: unknown, attempt: number): number | undefined {
  return error instanceof DeadlineExceeded
    ? BACKOFF_MAX_MS
    : retryDelayMs(error, attempt);
}

/** A UUIDv7 (RFC 9562): a retried create cannot make a second job. */
export function newRequestId(now: number = Date.now()): string {
  const bytes = Buffer.concat([Buffer.alloc(6), randomBytes(10)]);
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
