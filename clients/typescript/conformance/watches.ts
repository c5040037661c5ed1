/** Operations on watches: by value, in a loop that is left, in the background. */

import { setTimeout as sleep } from "node:timers/promises";
import {
  type Client,
  type Cursor,
  fromCall,
  type How,
  type Job,
  JobState,
  type Value,
  type Watch,
} from "@longshore/client";
import { CursorSchema, JobSelectorSchema } from "@longshore/client/v1/watch";
import {
  type Arguments,
  DriverError,
  kindName,
  read,
  shownCursor,
  shownValue,
  stateName,
} from "./json.js";

const CHANGES = ["event", "snapshot", "resynced"];
// Between two looks at whether a recording has come far enough.
const LOOK_MS = 10;

interface Recorded {
  kind: string;
  job_id: string;
  revision: string;
  state: string | number;
}

/** A watch and, unless it is read value by value, what it has seen. */
interface Open {
  readonly watch: Watch;
  readonly values: AsyncGenerator<Value, void, undefined>;
  readonly events: Recorded[];
  resynced: number;
  seen: bigint;
  error: unknown;
}

const open = new Map<string, Open>();

export const OPERATIONS: Record<string, (args: Arguments, client: Client) => unknown> =
  {
    watch_open: (args, client) => {
      opened(args, client);
      return {};
    },
    watch_next: next,
    watch_cursor: (args) => ({ cursor: shownCursor(named(args).watch.cursor) }),
    watch_close: async (args) => {
      const { watch, values } = named(args);
      watch.close();
      await values.return();
      open.delete(args.watch);
      return {};
    },
    watch_take: async (args, client) => {
      const values: object[] = [];
      for await (const value of watchOf(args, client)) {
        if (!CHANGES.includes(value.type)) continue;
        values.push(shownValue(value));
        if (values.length >= args.count) break;
      }
      return { values };
    },
    watch_record: (args, client) => {
      void record(opened(args, client));
      return {};
    },
    watch_recorded: recorded,
    drain: (args, client) => (args.raw ? drainRaw(args, client) : drain(args, client)),
  };

function watchOf(args: Arguments, client: Client): Watch {
  const how: How = {
    cursor: args.cursor && read(CursorSchema, args.cursor),
    fromNow: args.from_now,
    strict: args.strict,
    omitProgress: args.omit_progress,
    progressIntervalMs: milliseconds(args.progress_interval),
    heartbeatIntervalMs: milliseconds(args.heartbeat_interval),
    patienceMs: milliseconds(args.patience),
    ...("stop_when_finished" in args && { stopWhenFinished: args.stop_when_finished }),
  };
  if (args.job_id !== undefined) return client.job(args.job_id).watch(how);
  return client.watch({
    ...how,
    select: args.select && read(JobSelectorSchema, args.select),
  });
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1000;
}

function opened(args: Arguments, client: Client): Open {
  const watch = watchOf(args, client);
  const values = watch[Symbol.asyncIterator]();
  const made: Open = {
    watch,
    values,
    events: [],
    resynced: 0,
    seen: 0n,
    error: undefined,
  };
  open.set(args.watch, made);
  return made;
}

function named(args: Arguments): Open {
  const found = open.get(args.watch);
  if (!found) throw new DriverError(`there is no watch '${args.watch}'`);
  return found;
}

async function next(args: Arguments): Promise<object> {
  const { values } = named(args);
  const wanted: string[] = args.only ?? CHANGES;
  const kept: object[] = [];
  while (kept.length < args.count) {
    const { done, value } = await values.next();
    if (done) return { values: kept, ended: true };
    if (wanted.includes(value.type)) kept.push(shownValue(value));
  }
  return { values: kept, ended: false };
}

async function record(into: Open): Promise<void> {
  try {
    for await (const value of into.values) keep(into, value);
  } catch (error) {
    into.error = error;
  }
}

function keep(into: Open, value: Value): void {
  if (value.type === "progress") return;
  if (value.type === "event") {
    const { kind, job, revision } = value;
    into.events.push(row(kindName(kind), job, revision));
  } else {
    into.events.push(...value.jobs.map((job) => row("SNAPSHOT", job, job.revision)));
    if (value.type === "resynced") into.resynced += 1;
  }
  see(into, value.cursor);
}

function row(kind: string, job: Job | undefined, revision: bigint): Recorded {
  return {
    kind,
    job_id: job?.jobId ?? "",
    revision: String(revision),
    state: stateName(job?.state ?? JobState.UNSPECIFIED),
  };
}

function see(into: Open, cursor: Cursor | undefined): void {
  if (cursor && cursor.revision > into.seen) into.seen = cursor.revision;
}

async function recorded(args: Arguments): Promise<object> {
  const found = named(args);
  for (;;) {
    see(found, found.watch.cursor);
    if (found.error !== undefined) throw found.error;
    if (found.seen >= BigInt(args.until_revision)) break;
    await sleep(LOOK_MS);
  }
  return { events: found.events, resynced: found.resynced };
}

async function drain(args: Arguments, client: Client): Promise<object> {
  let events = 0;
  for await (const value of watchOf({ ...args, omit_progress: true }, client)) {
    if (value.type === "event" && ++events >= args.count) break;
  }
  return { events };
}

async function drainRaw(args: Arguments, client: Client): Promise<object> {
  const call = new AbortController();
  const cursor = args.cursor && read(CursorSchema, args.cursor);
  const request = {
    omitProgress: true,
    selector: args.select && read(JobSelectorSchema, args.select),
    ...(cursor && { start: { case: "resumeAfter", value: cursor } as const }),
  };
  let events = 0;
  try {
    for await (const { frame } of client.jobs.watchJobs(request, {
      signal: call.signal,
    })) {
      if (frame.case === "events") events += frame.value.events.length;
      if (events >= args.count) break;
    }
  } catch (error) {
    throw fromCall(error);
  } finally {
    call.abort();
  }
  return { events };
}
