/**
 * What can go wrong, as classes to catch.
 *
 *     LongshoreError
 *     ├── BadArgument             refused before anything was sent
 *     ├── ConnectionFailed        no answer: nothing is known of the daemon
 *     ├── DeadlineExceeded        no answer in time
 *     ├── HistoryLost             a strict watch: changes are gone for good
 *     ├── WaitTimeout             waited long enough; the job goes on
 *     ├── JobFailed, JobCancelled a job that was waited for did not succeed
 *     └── ServiceError            the daemon answered: `reason` says what
 *         ├── InvalidRequest, NotFound, AlreadyExists, PermissionDenied
 *         ├── WrongState, TargetBusy, Conflict, ImageRefused
 *         ├── HistoryGone, LimitReached, NoSpace, Unsupported
 *         ├── Unavailable, Internal, DataLoss
 *         └── Cancelled, Interrupted      only of a job: JobEnded.error
 *
 * The reason decides the class. A reason of a newer daemon is a plain ServiceError, and
 * so is an error that is not the daemon's own, of a proxy for instance: its reason and
 * domain are empty and only its code says something.
 */

import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { anyUnpack, type Duration } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import { Code } from "../gen/google/rpc/code_pb.js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb.js";
import { StatusSchema, type Status } from "../gen/google/rpc/status_pb.js";
import type { Job } from "../gen/longshore/v1/job_pb.js";

const DOMAIN = "jobs.longshore";

/** The base of all. */
export class LongshoreError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** What was asked makes no sense, or cannot be read: nothing was sent. */
export class BadArgument extends LongshoreError {}

/** The daemon was not reached, or went away during the call. */
export class ConnectionFailed extends LongshoreError {}

/** The call took longer than its deadline; what it asked may have happened. */
export class DeadlineExceeded extends LongshoreError {}

/** A strict watch cannot go on: changes after its cursor are gone. */
export class HistoryLost extends LongshoreError {}

/** The time of a wait has passed. The job goes on. */
export class WaitTimeout extends LongshoreError {}

/** An answer of the daemon that is an error. */
export class ServiceError extends LongshoreError {
  readonly code: Code = Code.UNKNOWN;
  /** A name of the ErrorReason enum, or one that is newer. */
  readonly reason: string = "";
  readonly domain: string = "";
  /** Everything variable of the message. */
  readonly metadata: Readonly<Record<string, string>> = {};
  /** What is wrong with which field of the request. */
  readonly fieldViolations: readonly { field: string; description: string }[] = [];
  /** When to come again, if a retry makes sense. */
  readonly retryDelayMs: number | undefined;
  /** Finds the call in the daemon's log. */
  readonly requestId: string = "";

  constructor(message: string, facts: Partial<ServiceError>, options?: ErrorOptions) {
    super(message, options);
    Object.assign(this, facts);
  }
}

/** The request is wrong in itself; `fieldViolations` says where. */
export class InvalidRequest extends ServiceError {}

/** There is no such job or image. */
export class NotFound extends ServiceError {}

/** The job id was used before, or the image is there. */
export class AlreadyExists extends ServiceError {}

/** Who asks is not known, or may not do this. */
export class PermissionDenied extends ServiceError {}

/** The verb does not fit the state; `allowed` names the verbs that do. */
export class WrongState extends ServiceError {
  get allowed(): string[] {
    const names = (this.metadata["allowedActions"] ?? "").split(", ");
    return names.filter((name) => name !== "" && name !== "none");
  }
}

/** Someone else holds the image: a job, or a process that is not the daemon's. */
export class TargetBusy extends ServiceError {
  get target(): string {
    return this.metadata["target"] ?? "";
  }

  /** The job that holds it; empty if a process does. */
  get blockingJobId(): string {
    return this.metadata["blockingJobId"] ?? "";
  }

  get pid(): number | undefined {
    const pid = this.metadata["pid"] ?? "";
    return /^\d+$/.test(pid) ? Number(pid) : undefined;
  }

  get command(): string {
    return this.metadata["command"] ?? "";
  }
}

/** Someone was faster, or the request id belongs to another request. */
export class Conflict extends ServiceError {}

/** The image contradicts its format, or uses what is not supported. */
export class ImageRefused extends ServiceError {}

/** The history after the cursor is not there; a watch handles it itself. */
export class HistoryGone extends ServiceError {}

/** Too many jobs, watches or calls; `retryDelayMs` says when to come again. */
export class LimitReached extends ServiceError {}

/** The storage is full; trying again does not help. */
export class NoSpace extends ServiceError {}

/** This daemon does not serve this kind of job, or this verb. */
export class Unsupported extends ServiceError {}

/** The daemon is starting or stopping, or what it needs does not answer. */
export class Unavailable extends ServiceError {}

/** A bug of the daemon; `requestId` finds it in the daemon's log. */
export class Internal extends ServiceError {}

/** Reading or writing failed, or what was written reads otherwise. */
export class DataLoss extends ServiceError {}

/** Someone asked for the end of the job. */
export class Cancelled extends ServiceError {}

/** The job could not go on: a restart, its group or a predecessor. */
export class Interrupted extends ServiceError {}

/**
 * A job that was waited for ended without success; `job` is its last word. `error` is
 * the reason as the class that a call would have thrown, if the job says it.
 */
export abstract class JobEnded extends LongshoreError {
  readonly error: ServiceError | undefined;

  constructor(readonly job: Job) {
    super(`Job ${job.jobId}: ${job.error?.message || "did not succeed"}`);
    this.error = job.error && fromStatus(job.error);
  }
}

/** It failed. */
export class JobFailed extends JobEnded {}

/** Someone cancelled it. */
export class JobCancelled extends JobEnded {}

const REASONS: [typeof ServiceError, ...string[]][] = [
  [InvalidRequest, "FIELD_INVALID", "PAGE_TOKEN_INVALID"],
  [PermissionDenied, "CREDENTIALS_INVALID", "PERMISSION_DENIED"],
  [NotFound, "JOB_NOT_FOUND", "TARGET_NOT_FOUND"],
  [AlreadyExists, "JOB_ID_TAKEN", "TARGET_EXISTS"],
  [WrongState, "ACTION_NOT_ALLOWED", "TARGET_WRONG_STATE"],
  [TargetBusy, "TARGET_BUSY"],
  [Conflict, "REQUEST_ID_REUSED", "REVISION_MISMATCH"],
  [ImageRefused, "IMAGE_INVALID", "IMAGE_UNSUPPORTED"],
  [HistoryGone, "REVISION_COMPACTED", "REVISION_IN_FUTURE", "HISTORY_CHANGED"],
  [LimitReached, "JOB_LIMIT", "WATCH_LIMIT", "RATE_LIMIT"],
  [NoSpace, "NO_SPACE"],
  [Unsupported, "JOB_TYPE_UNSUPPORTED", "ACTION_UNSUPPORTED"],
  [Unavailable, "SERVER_STARTING", "SERVER_STOPPING"],
  [Unavailable, "STORE_UNAVAILABLE", "BACKEND_UNREACHABLE"],
  [Internal, "INTERNAL"],
  [DataLoss, "IO_ERROR", "VERIFY_MISMATCH"],
  [Cancelled, "CANCELLED_BY_USER"],
  [Interrupted, "GROUP_MEMBER_FAILED", "PREDECESSOR_FAILED"],
  [Interrupted, "INTERRUPTED_BY_RESTART", "BACKEND_LOST"],
];

const CLASSES = new Map(
  REASONS.flatMap(([kind, ...reasons]) => reasons.map((reason) => [reason, kind])),
);

const TRANSPORT = new Set([
  Code.UNAVAILABLE,
  Code.INTERNAL,
  Code.UNKNOWN,
  Code.CANCELLED,
]);

/** The typed error behind whatever a call has thrown. */
export function fromCall(error: unknown): Error {
  if (!(error instanceof ConnectError)) return error as Error;
  if (error.cause instanceof LongshoreError) return error.cause;
  if (error.rawMessage.startsWith("serialize binary:"))
    return new BadArgument(error.rawMessage);
  const cause = { cause: error };
  const service = fromStatus(asStatus(error));
  if (service !== undefined) return service;
  const code = known(error.code);
  const message = error.rawMessage || Code[code];
  if (code === Code.DEADLINE_EXCEEDED) return new DeadlineExceeded(message, cause);
  if (isOfTransport(error)) return new ConnectionFailed(message, cause);
  return new ServiceError(message, { code }, cause);
}

/**
 * The error of a google.rpc.Status, of a call or of a job; undefined if it holds no
 * ErrorInfo of the daemon.
 */
export function fromStatus(status: Status): ServiceError | undefined {
  const info = detail(status, ErrorInfoSchema);
  if (info?.domain !== DOMAIN) return undefined;
  const retry = detail(status, RetryInfoSchema);
  const bad = detail(status, BadRequestSchema)?.fieldViolations ?? [];
  const facts = {
    code: known(status.code),
    reason: info.reason,
    domain: info.domain,
    metadata: info.metadata,
    fieldViolations: bad.map(({ field, description }) => ({ field, description })),
    retryDelayMs: retry && milliseconds(retry.retryDelay),
    requestId: detail(status, RequestInfoSchema)?.requestId ?? "",
  };
  return new (CLASSES.get(info.reason) ?? ServiceError)(status.message, facts);
}

/** The first detail of this type, if there is one that can be read. */
function detail<D extends DescMessage>(
  status: Status,
  desc: D,
): MessageShape<D> | undefined {
  for (const any of status.details) {
    try {
      const found = anyUnpack(any, desc);
      if (found !== undefined) return found;
    } catch {
      // As if it were not there: what else the status says still holds.
    }
  }
  return undefined;
}

function asStatus(error: ConnectError): Status {
  const details = error.details.filter((one) => "type" in one);
  return create(StatusSchema, {
    code: error.code,
    message: error.rawMessage,
    details: details.map(({ type, value }) => ({
      typeUrl: `type.googleapis.com/${type}`,
      value,
    })),
  });
}

/**
 * Broken on the way. Without our ErrorInfo these codes come from the transport
 * (grpc/statuscodes.md); some others do if no trailer brought them.
 */
function isOfTransport(error: ConnectError): boolean {
  if (TRANSPORT.has(known(error.code))) return true;
  if (error.metadata.has("grpc-status")) return false;
  return known(error.code) === Code.ABORTED || error.rawMessage.startsWith("http/2");
}

function known(code: number): Code {
  return code in Code ? code : Code.UNKNOWN;
}

export function milliseconds(duration: Duration | undefined): number {
  return Number(duration?.seconds ?? 0) * 1000 + (duration?.nanos ?? 0) / 1e6;
}
