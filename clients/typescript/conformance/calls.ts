/** Operations that call and answer: jobs, images, units. */

import type { Client, JobHandle } from "@longshore/client";
import {
  CompletionMode,
  formatDuration,
  formatRate,
  formatSize,
  fromCall,
  type Job,
  JobState,
  parseDuration,
  parseRate,
  parseSize,
} from "@longshore/client";
import { ImageSchema, MapExtentSchema } from "@longshore/client/v1/image";
import {
  CreateImageRequestSchema,
  ImageService,
} from "@longshore/client/v1/image_service";
import { JobInfoSchema } from "@longshore/client/v1/job_info";
import { JobOptionsSchema } from "@longshore/client/v1/job_options";
import { JobPlanSchema } from "@longshore/client/v1/job_plan";
import {
  CreateJobGroupRequestSchema,
  CreateJobRequestSchema,
  JobService,
} from "@longshore/client/v1/job_service";
import {
  GetCapabilitiesResponseSchema,
  SystemService,
} from "@longshore/client/v1/system_service";
import { JobSelectorSchema } from "@longshore/client/v1/watch";
import {
  type Arguments,
  DriverError,
  read,
  readable,
  shown,
  shownJob,
} from "./json.js";

type Operation = (args: Arguments, client: Client) => unknown;

export const OPERATIONS: Record<string, Operation> = {
  create: async (args, client) => {
    const request = read(CreateJobRequestSchema, args.request);
    const made = await client.create(request);
    return { job_id: made.jobId, is_new: made.isNew, job: shownJob(made.job) };
  },
  create_group: async (args, client) => {
    const made = await client.createGroup(
      read(CreateJobGroupRequestSchema, args.request),
    );
    return {
      jobs: made.map(({ job }) => shownJob(job)),
      is_new: made.every(({ isNew }) => isNew),
    };
  },
  plan: async (args, client) => {
    const plan = await client.plan({ info: read(JobInfoSchema, args.info) });
    for (const obstacle of plan?.obstacles ?? []) obstacle.details = readable(obstacle);
    return { plan: shown(JobPlanSchema, plan) };
  },
  get: verb((job) => job.get()),
  pause: verb((job, how) => job.pause(how)),
  resume: verb((job, how) => job.resume(how)),
  cancel: verb((job, how) => job.cancel(how)),
  complete: verb((job, { mode, ...how }) =>
    job.complete(mode === undefined ? how : { mode: completionMode(mode), ...how }),
  ),
  finalize: verb((job, how) => job.finalize(how)),
  dismiss: verb((job, how) => job.dismiss(how)),
  set_speed: verb((job, { bytes_per_second: speed }) =>
    job.setSpeed(speed === undefined ? undefined : BigInt(speed)),
  ),
  update: verb((job, { options, ...how }) =>
    job.update(read(JobOptionsSchema, options), how),
  ),
  wait: verb((job, args) =>
    job.wait({
      timeoutMs: args.timeout === undefined ? undefined : args.timeout * 1000,
      states: states(args.states),
      throwOnFailure: args.raise_on_failure,
    }),
  ),
  list: async (args, client) => {
    const jobs = client.list({
      states: states(args.states),
      pageSize: args.page_size,
      select: args.select && read(JobSelectorSchema, args.select),
    });
    return { jobs: (await taken(jobs, args.take)).map(shownJob) };
  },
  capabilities: async (_, client) =>
    shown(GetCapabilitiesResponseSchema, await client.capabilities()),
  image: async (args, client) => {
    const image = await client.image({ uri: args.uri, format: args.format ?? "qcow2" });
    return { image: shown(ImageSchema, image) };
  },
  map: async (args, client) => {
    const found = await taken(client.map(args.uri), args.take);
    return { extents: found.map((extent) => shown(MapExtentSchema, extent)) };
  },
  create_image: async (args, client) => {
    const image = await client.createImage(
      read(CreateImageRequestSchema, args.request),
    );
    return { image: shown(ImageSchema, image) };
  },
  raw,
  parse: (args) => ({ value: parsed(args.what, args.text) }),
  format: (args) => ({ text: formatted(args.what, args.value) }),
};

type Verb = (job: JobHandle, how: Arguments) => Promise<Job>;

function verb(act: Verb): Operation {
  return async (args, client) => {
    const {
      id,
      op,
      client: _,
      job_id,
      expected_revision,
      allow_missing,
      ...how
    } = args;
    const job = await act(client.job(job_id), {
      expectedRevision: expected_revision && BigInt(expected_revision),
      ...(allow_missing !== undefined && { allowMissing: allow_missing }),
      ...how,
    });
    return { job: shownJob(job) };
  };
}

async function raw({ service, method, request }: Arguments, client: Client) {
  const services: Record<string, [object, { methods: typeof JobService.methods }]> = {
    JobService: [client.jobs, JobService],
    ImageService: [client.images, ImageService],
    SystemService: [client.system, SystemService],
  };
  const [stub, described] = services[service] ?? [];
  const found = described?.methods.find(({ name }) => name === method);
  if (!stub || found?.methodKind !== "unary") {
    throw new DriverError(`there is no ${service}.${method}`);
  }
  try {
    const call = (stub as Arguments)[found.localName];
    return shown(found.output, await call(read(found.input, request)));
  } catch (error) {
    throw fromCall(error);
  }
}

async function taken<T>(items: AsyncIterable<T>, count = Infinity): Promise<T[]> {
  const all: T[] = [];
  if (count === 0) return all;
  for await (const item of items) {
    all.push(item);
    if (all.length >= count) break;
  }
  return all;
}

function states(names: (string | number)[] | undefined): JobState[] | undefined {
  return names?.map((name) =>
    typeof name === "number"
      ? name
      : JobState[name.replace("JOB_STATE_", "") as keyof typeof JobState],
  );
}

function completionMode(name: string): CompletionMode {
  const short = name.replace("COMPLETION_MODE_", "");
  return CompletionMode[short as keyof typeof CompletionMode];
}

function parsed(what: string, text: string): string {
  if (what === "size") return String(parseSize(text));
  if (what === "rate") return String(parseRate(text));
  if (what === "duration") return String(parseDuration(text) / 1000);
  throw new DriverError(`nothing is parsed as ${what}`);
}

function formatted(what: string, value: string | number): string {
  if (what === "duration") return formatDuration(Number(value) * 1000);
  const bytes = /^-?\d+$/.test(String(value)) ? BigInt(value) : Number(value);
  if (what === "size") return formatSize(bytes);
  if (what === "rate") return formatRate(bytes);
  throw new DriverError(`nothing is formatted as ${what}`);
}
