import assert from "node:assert/strict";
import { test } from "node:test";
import {
  create,
  fromJson,
  toJson,
  type DescMessage,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code as ConnectCode, ConnectError } from "@connectrpc/connect";
import * as longshore from "@longshore/client";
import { ErrorReason } from "@longshore/client/v1/error_reason";
import { JobSchema } from "@longshore/client/v1/job";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../gen/google/rpc/status_pb.js";

const { Code, fromCall, ServiceError } = longshore;

function detail<D extends DescMessage>(desc: D, init: MessageInitShape<D>) {
  return { type: desc.typeName, value: toBinary(desc, create(desc, init)) };
}

function refusal(reason: string, more: MessageInitShape<typeof ErrorInfoSchema> = {}) {
  const error = new ConnectError("said", ConnectCode.FailedPrecondition);
  error.details = [
    detail(ErrorInfoSchema, { reason, domain: "jobs.longshore", ...more }),
  ];
  return error;
}

test("every reason of the contract has a class of its own", () => {
  const names = Object.keys(ErrorReason).filter((name) => /^[A-Z]/.test(name));
  const plain = names.filter(
    (name) => fromCall(refusal(name)).constructor === ServiceError,
  );
  assert.deepEqual(plain, ["UNSPECIFIED"]);
});

test("a reason of a newer daemon is a plain ServiceError", () => {
  const error = fromCall(refusal("TEA_IS_COLD"));
  assert.ok(error instanceof ServiceError);
  assert.equal(error.name, "ServiceError");
  assert.equal(error.reason, "TEA_IS_COLD");
});

test("everything that the daemon says is on the error", () => {
  const call = refusal("FIELD_INVALID", { metadata: { firstField: "a" } });
  call.details.push(
    detail(BadRequestSchema, {
      fieldViolations: [{ field: "a", description: "is b" }],
    }),
    detail(RetryInfoSchema, { retryDelay: durationFromMs(1500) }),
    detail(RequestInfoSchema, { requestId: "r" }),
  );
  const error = fromCall(call);
  assert.ok(error instanceof longshore.InvalidRequest);
  assert.equal(error.code, Code.FAILED_PRECONDITION);
  assert.equal(error.domain, "jobs.longshore");
  assert.equal(error.metadata["firstField"], "a");
  assert.deepEqual(error.fieldViolations, [{ field: "a", description: "is b" }]);
  assert.equal(error.retryDelayMs, 1500);
  assert.equal(error.requestId, "r");
  assert.equal(error.message, "said");
});

test("a busy target names its holder", () => {
  const metadata = { target: "/a", blockingJobId: "j", pid: "12", command: "qemu" };
  const error = fromCall(refusal("TARGET_BUSY", { metadata }));
  assert.ok(error instanceof longshore.TargetBusy);
  const { target, blockingJobId, pid, command } = error;
  assert.deepEqual({ target, blockingJobId, pid, command }, { ...metadata, pid: 12 });
});

test("a wrong state names the verbs that fit", () => {
  const metadata = { allowedActions: "PAUSE, CANCEL" };
  const error = fromCall(refusal("ACTION_NOT_ALLOWED", { metadata }));
  assert.ok(error instanceof longshore.WrongState);
  assert.deepEqual(error.allowed, ["PAUSE", "CANCEL"]);
});

test("an error of another domain is not the daemon's", () => {
  const error = fromCall(refusal("TARGET_BUSY", { domain: "proxy" }));
  assert.equal(error.constructor, ServiceError);
  assert.equal((error as longshore.ServiceError).reason, "");
});

test("a detail that cannot be read is as if it were not there", () => {
  const call = refusal("JOB_LIMIT");
  call.details.push({ type: RetryInfoSchema.typeName, value: Uint8Array.of(10, 200) });
  const error = fromCall(call);
  assert.ok(error instanceof longshore.LimitReached);
  assert.equal(error.retryDelayMs, undefined);
});

test("codes of the transport are failed connections", () => {
  const { Unavailable, Internal, Unknown, Canceled } = ConnectCode;
  for (const code of [Unavailable, Internal, Unknown, Canceled]) {
    assert.ok(
      fromCall(new ConnectError("x", code)) instanceof longshore.ConnectionFailed,
    );
  }
});

test("ABORTED is of the connection unless it came in a trailer", () => {
  const here = new ConnectError("x", ConnectCode.Aborted);
  assert.ok(fromCall(here) instanceof longshore.ConnectionFailed);
  const there = new ConnectError("x", ConnectCode.Aborted, { "grpc-status": "10" });
  assert.equal(fromCall(there).constructor, ServiceError);
});

test("a deadline that has passed is DeadlineExceeded", () => {
  const error = fromCall(new ConnectError("", ConnectCode.DeadlineExceeded));
  assert.ok(error instanceof longshore.DeadlineExceeded);
  assert.equal(error.message, "DEADLINE_EXCEEDED");
});

test("a job that failed says why, as the class of a call", () => {
  const info = create(ErrorInfoSchema, {
    reason: "NO_SPACE",
    domain: "jobs.longshore",
  });
  const error = create(StatusSchema, {
    code: Code.RESOURCE_EXHAUSTED,
    message: "full",
    details: [anyPack(ErrorInfoSchema, info)],
  });
  const failed = new longshore.JobFailed(create(JobSchema, { jobId: "j", error }));
  assert.ok(failed.error instanceof longshore.NoSpace);
  assert.equal(failed.message, "Job j: full");
  assert.equal(failed.job.jobId, "j");
});

test("a job that failed is JSON with the registry of this package", () => {
  const details = [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "X" }))];
  const job = create(JobSchema, { revision: 2n ** 60n, error: { details } });
  const json = toJson(JobSchema, job, { registry: longshore.registry });
  assert.deepEqual(fromJson(JobSchema, json, { registry: longshore.registry }), job);
});

test("every error has the name of its class", () => {
  assert.equal(new longshore.WaitTimeout("x").name, "WaitTimeout");
  assert.match(String(fromCall(refusal("NO_SPACE"))), /^NoSpace: said/);
});
