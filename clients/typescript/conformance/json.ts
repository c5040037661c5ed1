/** Messages, values and errors as the runner reads them. */

import {
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import {
  BadArgument,
  Code,
  type Cursor,
  type Job,
  JobEnded,
  JobEventKind,
  type JobState,
  registry,
  ServiceError,
  type Value,
} from "@longshore/client";
import { CursorSchema } from "@longshore/client/v1/watch";
import { JobSchema, JobStateSchema } from "@longshore/client/v1/job";
import { JobProgressSchema } from "@longshore/client/v1/job_progress";
import type { Status } from "../gen/google/rpc/status_pb.js";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as it comes
export type Arguments = Record<string, any>;

/** The runner asked for what this driver does not know. */
export class DriverError extends Error {}

export function shown<D extends DescMessage>(
  schema: D,
  message: MessageShape<D> | undefined,
): JsonValue {
  return message === undefined ? null : toJson(schema, message, { registry });
}

export function shownJob(job: Job | undefined): JsonValue {
  if (job?.error) job.error.details = readable(job.error);
  return shown(JobSchema, job);
}

/** The details of a status without those that no JSON exists for. */
export function readable(status: Status): Status["details"] {
  return status.details.filter((any) => {
    try {
      return anyUnpack(any, registry) !== undefined;
    } catch {
      return false;
    }
  });
}

export function shownCursor(cursor: Cursor | undefined): JsonValue {
  return shown(CursorSchema, cursor);
}

export function shownValue(value: Value): Record<string, JsonValue> {
  switch (value.type) {
    case "event":
      return {
        type: "event",
        kind: kindName(value.kind),
        revision: String(value.revision),
        job: shownJob(value.job),
        previousState: stateName(value.previousState),
        cursor: shownCursor(value.cursor),
      };
    case "progress":
      return {
        type: "progress",
        job_id: value.jobId,
        progress: shown(JobProgressSchema, value.progress),
      };
    default:
      return {
        type: value.type,
        jobs: value.jobs.map(shownJob),
        cursor: shownCursor(value.cursor),
      };
  }
}

/** The name of a kind, or the number of one that is newer than this client. */
export function kindName(kind: JobEventKind): string {
  return JobEventKind[kind] ?? String(kind);
}

/** The name of a state as JSON has it, or the number of one that is newer. */
export function stateName(state: JobState): string | number {
  return JobStateSchema.value[state]?.name ?? state;
}

export function read<D extends DescMessage>(
  schema: D,
  json: JsonValue | undefined,
): MessageShape<D> {
  try {
    return fromJson(schema, json ?? {}, { registry });
  } catch (cause) {
    throw new BadArgument(String(cause), { cause });
  }
}

export function shownError(error: unknown): object {
  if (error instanceof ServiceError) {
    return {
      class: error.name,
      code: Code[error.code],
      reason: error.reason,
      domain: error.domain,
      metadata: error.metadata,
      fieldViolations: error.fieldViolations,
      retryDelay: error.retryDelayMs === undefined ? null : error.retryDelayMs / 1000,
      requestId: error.requestId,
      message: error.message,
    };
  }
  if (!(error instanceof Error)) return { class: "Error", message: String(error) };
  const job = error instanceof JobEnded ? { job: shownJob(error.job) } : {};
  const name = error instanceof DriverError ? "DriverError" : error.name;
  return { class: name, message: error.message, ...job };
}
