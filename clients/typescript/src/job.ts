/** A job by its id: its verbs, and waiting for its end. */

import { setTimeout as sleep } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Job, JobSchema, JobState } from "../gen/longshore/v1/job_pb.js";
import type { JobOptionsSchema } from "../gen/longshore/v1/job_options_pb.js";
import { CompletionMode } from "../gen/longshore/v1/job_service_pb.js";
import {
  ask,
  type Attempt,
  BACKOFF_MS,
  once,
  type Unary,
  waitDelayMs,
} from "./calls.js";
import type { Client, Given, Masked } from "./client.js";
import { JobCancelled, JobFailed, WaitTimeout } from "./errors.js";
import type { How, Watch } from "./watch.js";

// One WaitJob; well under what proxies cut (the server allows 60 s).
const WAIT_MS = 30_000;
// What a wait is given on top, for the answer to travel.
const WAIT_GRACE_MS = 5000;
// A wait outlives a restart of the daemon that takes no longer than this.
const UNREACHABLE_MS = 60_000;

export interface Expecting extends Given {
  /** Throw Conflict if the job has changed since it had this revision. */
  readonly expectedRevision?: bigint;
}

export interface Waiting extends Given {
  /** Throw WaitTimeout after it; the job goes on. */
  readonly timeoutMs?: number;
  /** Return in one of these, too. */
  readonly states?: readonly JobState[];
  /** Throw JobFailed or JobCancelled if it ended so; true unless said otherwise. */
  readonly throwOnFailure?: boolean;
}

export class JobHandle {
  /** `job` is what the last answer said. */
  constructor(
    readonly client: Client,
    readonly jobId: string,
    public job?: Job,
    readonly isNew = false,
  ) {}

  async get(given: Given = {}): Promise<Job> {
    return this.#ask(this.client.jobs.getJob, { jobId: this.jobId }, given);
  }

  async pause(how: Expecting & { readonly comment?: string } = {}): Promise<Job> {
    return this.#verb(this.client.jobs.pauseJob, how);
  }

  async resume(how: Expecting = {}): Promise<Job> {
    return this.#verb(this.client.jobs.resumeJob, how);
  }

  /** Ask for the end; with `wait` return when it has come, one way or another. */
  async cancel(
    how: Expecting & {
      readonly comment?: string;
      readonly force?: boolean;
      readonly wait?: boolean;
    } = {},
  ): Promise<Job> {
    const { wait, ...asked } = how;
    const job = await this.#verb(this.client.jobs.cancelJob, asked);
    return wait ? this.wait({ throwOnFailure: false, signal: how.signal }) : job;
  }

  async complete(
    how: Expecting & { readonly mode?: CompletionMode } = {},
  ): Promise<Job> {
    return this.#verb(this.client.jobs.completeJob, {
      mode: CompletionMode.SWITCH,
      ...how,
    });
  }

  async finalize(how: Expecting = {}): Promise<Job> {
    return this.#verb(this.client.jobs.finalizeJob, how);
  }

  /** Forget the job. Answers its last word, or an empty one if it was gone. */
  async dismiss(
    how: Expecting & { readonly allowMissing?: boolean } = {},
  ): Promise<Job> {
    // If the first answer was lost the job may be gone by now, as it should be.
    return this.#verb(this.client.jobs.dismissJob, how, { allowMissing: true });
  }

  /** Change the rate limit now; undefined takes it away. */
  async setSpeed(
    bytesPerSecond: bigint | number | undefined,
    given: Given = {},
  ): Promise<Job> {
    const speedBytesPerSecond =
      bytesPerSecond === undefined ? undefined : BigInt(bytesPerSecond);
    return this.update(
      { speedBytesPerSecond },
      { paths: ["speed_bytes_per_second"], ...given },
    );
  }

  /** Change options now. */
  async update(
    options: MessageInitShape<typeof JobOptionsSchema>,
    { paths, ...how }: Masked & Expecting = {},
  ): Promise<Job> {
    return this.#verb(this.client.jobs.updateJob, {
      options,
      updateMask: paths && { paths },
      ...how,
    });
  }

  /** This job's changes, to its end. */
  watch(how: Omit<How, "select"> = {}): Watch {
    return this.client.watch({
      stopWhenFinished: true,
      ...how,
      select: { jobIds: [this.jobId] },
    });
  }

  /**
   * Wait until the job has ended, or is in one of the states. A restart of the daemon is
   * waited through: jobs survive it.
   */
  async wait(how: Waiting = {}): Promise<Job> {
    const { timeoutMs = Infinity, states = [], signal } = how;
    const deadline = performance.now() + timeoutMs;
    let heard = performance.now();
    let attempt = 0;
    for (;;) {
      const began = performance.now();
      const asked = Math.ceil(Math.max(0, Math.min(WAIT_MS, deadline - began)));
      const request = {
        jobId: this.jobId,
        timeout: durationFromMs(asked),
        states: [...states],
      };
      try {
        const { waitJob } = this.client.jobs;
        const answer = await once(waitJob, request, asked + WAIT_GRACE_MS, signal);
        [heard, attempt] = [performance.now(), 0];
        if (answer.reached) return this.#outcome(this.#keep(answer.job), how);
        if (heard >= deadline) throw this.#late(timeoutMs);
        // An early answer is allowed; asking on and on is not.
        if (heard - began < BACKOFF_MS) await sleep(BACKOFF_MS, undefined, { signal });
      } catch (error) {
        const delay = waitDelayMs(error, ++attempt);
        const isLost = performance.now() - heard >= UNREACHABLE_MS;
        if (delay === undefined || isLost) throw error;
        const left = deadline - performance.now();
        if (left <= 0) throw this.#late(timeoutMs, { cause: error });
        await sleep(Math.min(delay, left), undefined, { signal });
      }
    }
  }

  #outcome(job: Job, { states = [], throwOnFailure = true }: Waiting): Job {
    if (states.includes(job.state) || !throwOnFailure) return job;
    if (job.state === JobState.FAILED) throw new JobFailed(job);
    if (job.state === JobState.CANCELLED) throw new JobCancelled(job);
    return job;
  }

  #late(timeoutMs: number, options?: ErrorOptions): WaitTimeout {
    const waited = `waited ${timeoutMs / 1000} s for it`;
    return new WaitTimeout(`Job ${this.jobId} goes on; ${waited}`, options);
  }

  /**
   * All verbs may be sent again, but not one that expects a revision: it would meet the
   * revision that it made itself.
   */
  #verb<I extends object>(
    method: Unary<I, { job?: Job }>,
    { signal, ...more }: Expecting & Omit<I, "jobId">,
    again?: Partial<I>,
  ): Promise<Job> {
    const request = { jobId: this.jobId, ...more } as unknown as I;
    const repeat = more.expectedRevision && !again ? null : { ...request, ...again };
    return this.#ask(method, request, { signal, repeat });
  }

  async #ask<I>(
    method: Unary<I, { job?: Job }>,
    request: I,
    how: Attempt<I>,
  ): Promise<Job> {
    return this.#keep((await ask(method, request, how)).job);
  }

  #keep(job: Job | undefined): Job {
    if (job?.jobId) this.job = job;
    return job ?? create(JobSchema);
  }
}
