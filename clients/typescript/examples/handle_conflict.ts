/** Meet a job that holds the image, end it, and queue behind it: handle_conflict TOP */

import { Client, OnConflict, parseRate, TargetBusy } from "@longshore/client";

const [top = ""] = process.argv.slice(2);
using client = new Client();

await client.pull(top, { options: { speedBytesPerSecond: parseRate("64K") } });
try {
  await client.pull(top);
} catch (error) {
  if (!(error instanceof TargetBusy)) throw error;
  console.log(`busy: ${error.blockingJobId}`);
  await client.job(error.blockingJobId).cancel({ wait: true });
}
const job = await client.pull(top, { onConflict: OnConflict.QUEUE });
await job.wait();
console.log(`${job.jobId} SUCCEEDED`);
