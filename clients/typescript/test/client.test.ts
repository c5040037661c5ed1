import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http2";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { BadArgument, Client, ServiceError, VERSION } from "@longshore/client";
import { JobService } from "@longshore/client/v1/job_service";

type Jobs = Partial<ServiceImpl<typeof JobService>>;

/** A client of a server of its own, both gone when the test is over. */
async function clientOf(t: TestContext, jobs: Jobs): Promise<Client> {
  const directory = mkdtempSync(join(tmpdir(), "longshore-"));
  const routes = connectNodeAdapter({
    routes: (router) => router.service(JobService, jobs),
  });
  const server = createServer(routes);
  const path = join(directory, "s");
  await once(server.listen(path), "listening");
  const client = new Client({
    address: `unix:${path}`,
    credentials: { token: "secret" },
  });
  t.after(async () => {
    client.close();
    server.close();
    await once(server, "close");
    rmSync(directory, { recursive: true });
  });
  return client;
}

test("the version is that of the package", () => {
  const file = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  assert.equal(VERSION, version);
});

test("a call says who makes it", async (t) => {
  const seen: (string | null)[] = [];
  const client = await clientOf(t, {
    getJob: (_, { requestHeader }) => {
      seen.push(
        requestHeader.get("longshore-client"),
        requestHeader.get("authorization"),
      );
      return { job: { jobId: "j" } };
    },
  });
  await client.job("j").get();
  assert.deepEqual(seen, [`longshore-typescript/${VERSION}`, "Bearer secret"]);
});

test("a create fills in a request id and leaves the request alone", async (t) => {
  const client = await clientOf(t, {
    createJob: ({ requestId }) => ({ job: { jobId: requestId } }),
  });
  const request = { labels: { a: "b" } };
  const job = await client.create(request);
  assert.equal(job.jobId.length, 36);
  assert.equal(job.isNew, true);
  assert.deepEqual(request, { labels: { a: "b" } });
});

test("pages are fetched as they are needed", async (t) => {
  const asked: string[] = [];
  const client = await clientOf(t, {
    listJobs: ({ pageToken }) => {
      asked.push(pageToken);
      return {
        jobs: [{ jobId: `after ${pageToken}` }],
        nextPageToken: `${pageToken}x`,
      };
    },
  });
  const jobs: string[] = [];
  for await (const { jobId } of client.list()) {
    jobs.push(jobId);
    if (jobs.length === 2) break;
  }
  assert.deepEqual(asked, ["", "x"]);
});

test("ABORTED of the other side is its answer, not a broken connection", async (t) => {
  const client = await clientOf(t, {
    getJob: () => {
      throw new ConnectError("try again", Code.Aborted);
    },
  });
  await assert.rejects(client.job("j").get(), { name: "ServiceError", code: 10 });
});

test("numbers beyond 2^53 are exact", async (t) => {
  const revision = 2n ** 63n - 1n;
  const client = await clientOf(t, {
    getJob: () => ({ job: { jobId: "j", revision } }),
  });
  assert.equal((await client.job("j").get()).revision, revision);
});

test("a number that does not fit is refused before anything is sent", async (t) => {
  let calls = 0;
  const client = await clientOf(t, {
    updateJob: () => ({ job: { jobId: `${++calls}` } }),
  });
  await assert.rejects(client.job("j").setSpeed(2n ** 63n), BadArgument);
  assert.equal(calls, 0);
});

test("leaving the loop of a watch ends the call at the server", async (t) => {
  const calls: Promise<unknown>[] = [];
  const client = await clientOf(t, {
    watchJobs: async function* (_, { signal }) {
      calls.push(once(signal, "abort"));
      yield { cursor: { revision: 1n }, frame: { case: "snapshotEnd", value: {} } };
      await calls[0];
    },
  });
  for await (const value of client.watch()) {
    assert.equal(value.type, "snapshot");
    break;
  }
  await calls[0];
});

test("a client that is closed refuses calls and watches", async (t) => {
  const client = await clientOf(t, {});
  client.close();
  await assert.rejects(client.job("j").get(), BadArgument);
  await assert.rejects(client.watch()[Symbol.asyncIterator]().next(), BadArgument);
});

test("a call that is under way ends with the client, and is not made again", async (t) => {
  let calls = 0;
  const client = await clientOf(t, {
    getJob: async (_, { signal }) => {
      calls += 1;
      client.close();
      await once(signal, "abort");
      return {};
    },
  });
  await assert.rejects(client.job("j").get(), BadArgument);
  assert.equal(calls, 1);
});

test("what a server does not know is a plain ServiceError", async (t) => {
  const client = await clientOf(t, {});
  await assert.rejects(client.job("j").get(), ServiceError);
});
