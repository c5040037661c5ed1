/**
 * Longshore's client: jobs on disk images, volumes, domains and networks.
 *
 * The messages of the contract are the data model: `@longshore/client/v1/job` and its
 * neighbours hold all of them.
 */

import { createRegistry } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "../gen/google/rpc/error_details_pb.js";

/**
 * What `toJson` and `fromJson` need for messages that hold an error, such as a Job:
 * `toJson(JobSchema, job, { registry })`.
 */
export const registry = createRegistry(file_google_rpc_error_details);

export { Code } from "../gen/google/rpc/code_pb.js";
export { type Job, JobState } from "../gen/longshore/v1/job_pb.js";
export { CompletionMode, OnConflict } from "../gen/longshore/v1/job_service_pb.js";
export { type Cursor, JobEventKind } from "../gen/longshore/v1/watch_pb.js";
export {
  type Chained,
  Client,
  type CreateJob,
  type Given,
  type ImageName,
  type Listing,
  type Masked,
  type Scope,
} from "./client.js";
export type { Credentials } from "./connection.js";
export {
  AlreadyExists,
  BadArgument,
  Cancelled,
  Conflict,
  ConnectionFailed,
  DataLoss,
  DeadlineExceeded,
  fromCall,
  HistoryGone,
  HistoryLost,
  ImageRefused,
  Internal,
  Interrupted,
  InvalidRequest,
  JobCancelled,
  JobEnded,
  JobFailed,
  LimitReached,
  LongshoreError,
  NoSpace,
  NotFound,
  PermissionDenied,
  ServiceError,
  TargetBusy,
  Unavailable,
  Unsupported,
  WaitTimeout,
  WrongState,
} from "./errors.js";
export { type Expecting, JobHandle, type Waiting } from "./job.js";
export {
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseRate,
  parseSize,
} from "./units.js";
export { VERSION } from "./version.js";
export type { Event, How, Progress, Snapshot, Value } from "./watch.js";
export { Watch } from "./watch.js";
