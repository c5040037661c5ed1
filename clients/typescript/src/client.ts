/** The client: every call of the contract, with its deadline and its retries. */

import { setMaxListeners } from "node:events";
import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Client as Stub } from "@connectrpc/connect";
import type { ImageRefSchema, Image, MapExtent } from "../gen/longshore/v1/image_pb.js";
import {
  type CreateImageRequestSchema,
  ImageService,
} from "../gen/longshore/v1/image_service_pb.js";
import type { JobState, Job } from "../gen/longshore/v1/job_pb.js";
import type { JobPlan } from "../gen/longshore/v1/job_plan_pb.js";
import {
  CreateJobGroupRequestSchema,
  CreateJobRequestSchema,
  JobService,
  type UpdateJobGroupResponse,
} from "../gen/longshore/v1/job_service_pb.js";
import type {
  RateLimitSchema,
  RateLimitScopeSchema,
  SharedRateLimit,
} from "../gen/longshore/v1/rate_limit_pb.js";
import {
  type GetCapabilitiesResponse,
  SystemService,
} from "../gen/longshore/v1/system_service_pb.js";
import type { JobSelectorSchema } from "../gen/longshore/v1/watch_pb.js";
import { ask, CREATE_MS, newRequestId } from "./calls.js";
import {
  Channel,
  checkAddress,
  checkCredentials,
  type Credentials,
  credentialsOf,
  defaultAddress,
} from "./connection.js";
import { JobHandle } from "./job.js";
import { type How, type Open, Watch } from "./watch.js";

/** An image: a path (then qcow2), or what an ImageRef holds. */
export type ImageName = string | MessageInitShape<typeof ImageRefSchema>;

/** What shares a limit: "daemon", a device ("8:0"), or that of an image (its path). */
export type Scope = string | MessageInitShape<typeof RateLimitScopeSchema>;

export type CreateJob = MessageInitShape<typeof CreateJobRequestSchema>;

export interface Given {
  /** Ends the call; it throws the reason of the signal. */
  readonly signal?: AbortSignal;
}

/** How to list; all of it may be left out. */
export interface Listing extends Given {
  readonly states?: JobState[];
  readonly pageSize?: number;
  readonly select?: MessageInitShape<typeof JobSelectorSchema>;
}

export interface Chained extends Given {
  /** The images below, nearest first, where headers do not say it all. */
  readonly backingChain?: readonly ImageName[];
}

export interface Masked extends Given {
  /** Which fields: one that is named and not set is taken away. Else those set. */
  readonly paths?: string[];
}

/**
 * One daemon. `address` is `unix:PATH` or `HOST:PORT`; without one, LONGSHORE_ADDRESS or
 * the usual socket. Without `credentials` they are those of the environment. Throws
 * BadArgument for what is none. Connects when first used.
 */
export class Client implements Disposable {
  readonly address: string;
  readonly #credentials: Credentials;
  readonly #closing = new AbortController();
  #control: Channel | undefined;
  #watching: Channel | undefined;

  constructor(options: { address?: string; credentials?: Credentials } = {}) {
    const user = process.geteuid?.() ?? 0;
    this.address = checkAddress(options.address || defaultAddress(process.env, user));
    const who = options.credentials ?? credentialsOf(process.env);
    this.#credentials = checkCredentials(who, this.address);
    setMaxListeners(0, this.#closing.signal);
  }

  /** End every watch and every connection. */
  close(): void {
    this.#closing.abort();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The generated clients, for what this wrapper does not offer. */
  get jobs(): Stub<typeof JobService> {
    return (this.#control ??= this.#connect()).stub(JobService);
  }

  get images(): Stub<typeof ImageService> {
    return (this.#control ??= this.#connect()).stub(ImageService);
  }

  get system(): Stub<typeof SystemService> {
    return (this.#control ??= this.#connect()).stub(SystemService);
  }

  #connect(): Channel {
    return new Channel(this.address, this.#credentials, this.#closing.signal);
  }

  /** A handle on a job; asks nothing of the daemon yet. */
  job(jobId: string): JobHandle {
    return new JobHandle(this, jobId);
  }

  /** Start a job of any kind. Sent again when an answer is lost, made once. */
  async create(request: CreateJob, given: Given = {}): Promise<JobHandle> {
    const sent = clone(CreateJobRequestSchema, create(CreateJobRequestSchema, request));
    // This makes one job of however many calls.
    sent.requestId ||= newRequestId();
    const answer = await ask(this.jobs.createJob, sent, {
      timeoutMs: CREATE_MS,
      ...given,
    });
    const isNew = !answer.replayed && !answer.existing;
    return new JobHandle(this, answer.job?.jobId ?? "", answer.job, isNew);
  }

  /** Populate `top` from its backing chain, wholly or down to `base`. */
  async pull(
    top: ImageName,
    how: Omit<CreateJob, "info"> & Chained & { readonly base?: ImageName } = {},
  ): Promise<JobHandle> {
    const { base, backingChain = [], signal, ...submit } = how;
    const spec = {
      top: imageRef(top),
      base: base && imageRef(base),
      backingChain: backingChain.map(imageRef),
    };
    const block = { kind: { case: "pull", value: { spec } } } as const;
    const info = { subsystem: { case: "block", value: block } } as const;
    return this.create({ ...submit, info } as CreateJob, { signal });
  }

  /** Start jobs that become visible together or not at all. */
  async createGroup(
    request: MessageInitShape<typeof CreateJobGroupRequestSchema>,
    given: Given = {},
  ): Promise<JobHandle[]> {
    const schema = CreateJobGroupRequestSchema;
    const sent = clone(schema, create(schema, request));
    sent.requestId ||= newRequestId();
    const how = { timeoutMs: CREATE_MS, ...given };
    const answer = await ask(this.jobs.createJobGroup, sent, how);
    return answer.jobs.map(
      (job) => new JobHandle(this, job.jobId, job, !answer.replayed),
    );
  }

  /** Change what the jobs of a group share now. */
  async updateGroup(
    groupId: string,
    rateLimit: MessageInitShape<typeof RateLimitSchema>,
    { paths, ...given }: Masked = {},
  ): Promise<UpdateJobGroupResponse> {
    const updateMask = paths && { paths };
    return ask(this.jobs.updateJobGroup, { groupId, rateLimit, updateMask }, given);
  }

  /** What a job would do; nothing happens. */
  async plan(request: CreateJob, given: Given = {}): Promise<JobPlan | undefined> {
    const how = { timeoutMs: CREATE_MS, ...given };
    return (await ask(this.jobs.planJob, { request }, how)).plan;
  }

  /** Jobs, newest first; pages are fetched as they are needed. */
  async *list(how: Listing = {}): AsyncGenerator<Job, void, undefined> {
    const { states, pageSize, select: selector, signal } = how;
    let pageToken = "";
    do {
      const request = { states, pageSize, selector, pageToken };
      const page = await ask(this.jobs.listJobs, request, {
        timeoutMs: CREATE_MS,
        signal,
      });
      yield* page.jobs;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Jobs as they are, then every change. */
  watch(how: How = {}): Watch {
    const open: Open = (request, signal) => {
      // A connection of its own: a stream that nobody reads must not hold up a cancel.
      this.#watching ??= this.#connect();
      return this.#watching.stub(JobService).watchJobs(request, { signal });
    };
    return new Watch(open, how, this.#closing.signal);
  }

  /** An image and the chain below it, even while it is in use. */
  async image(name: ImageName, how: Chained = {}): Promise<Image | undefined> {
    const given = { timeoutMs: CREATE_MS, signal: how.signal };
    return (await ask(this.images.getImage, chained(name, how), given)).image;
  }

  /** The extents of an image through its chain, in order. */
  async *map(
    name: ImageName,
    how: Chained = {},
  ): AsyncGenerator<MapExtent, void, undefined> {
    let pageToken = "";
    do {
      const request = { ...chained(name, how), pageToken };
      const given = { timeoutMs: CREATE_MS, signal: how.signal };
      const page = await ask(this.images.mapImage, request, given);
      yield* page.extents;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Make an empty image or an overlay. Not sent twice: it may exist then. */
  async createImage(
    request: MessageInitShape<typeof CreateImageRequestSchema>,
    given: Given = {},
  ): Promise<Image | undefined> {
    const how = { timeoutMs: CREATE_MS, repeat: null, ...given };
    return (await ask(this.images.createImage, request, how)).image;
  }

  /** What the daemon is and can do. */
  async capabilities(given: Given = {}): Promise<GetCapabilitiesResponse> {
    return ask(this.system.getCapabilities, {}, given);
  }

  /** The limits that all jobs share, or those of one device. */
  async rateLimits(scope?: Scope, given: Given = {}): Promise<SharedRateLimit[]> {
    const request = { scope: scope === undefined ? undefined : scopeOf(scope) };
    return (await ask(this.system.getRateLimits, request, given)).rateLimits;
  }

  /** Limit the daemon or a device now. What is taken away leaves what is configured. */
  async limit(
    scope: Scope,
    rateLimit: MessageInitShape<typeof RateLimitSchema>,
    { paths, ...given }: Masked = {},
  ): Promise<SharedRateLimit | undefined> {
    const request = {
      scope: scopeOf(scope),
      rateLimit,
      updateMask: paths && { paths },
    };
    return (await ask(this.system.updateRateLimits, request, given)).rateLimit;
  }
}

function imageRef(name: ImageName): MessageInitShape<typeof ImageRefSchema> {
  return typeof name === "string" ? { uri: name, format: "qcow2" } : name;
}

function chained(name: ImageName, { backingChain = [] }: Chained) {
  return { image: imageRef(name), backingChain: backingChain.map(imageRef) };
}

function scopeOf(scope: Scope): MessageInitShape<typeof RateLimitScopeSchema> {
  if (typeof scope !== "string") return scope;
  if (scope === "daemon") return { scope: { case: "daemon", value: {} } };
  const isDevice = /^[0-9]+:[0-9]+$/.test(scope);
  return { scope: { case: isDevice ? "device" : "imageUri", value: scope } };
}
