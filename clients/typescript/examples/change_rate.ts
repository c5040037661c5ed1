/** Pull slowly, then as fast as it goes: change_rate TOP */

import { Client, parseRate } from "@longshore/client";

const [top = ""] = process.argv.slice(2);
using client = new Client();

const options = { speedBytesPerSecond: parseRate("64K") };
const job = await client.pull(top, { options });
console.log(job.jobId);
for await (const value of job.watch({ progressIntervalMs: 100 })) {
  // Bytes have moved: it runs.
  if (value.type === "progress" && value.progress?.current) break;
}
await job.setSpeed(undefined);
await job.wait();
console.log(`${job.jobId} SUCCEEDED`);
