/** Pull an image up and wait for it: submit_and_wait TOP */

import { Client, LongshoreError } from "@longshore/client";

const [top = ""] = process.argv.slice(2);
using client = new Client();

try {
  const job = await client.pull(top);
  console.log(job.jobId);
  await job.wait();
  console.log(`${job.jobId} SUCCEEDED`);
} catch (error) {
  if (!(error instanceof LongshoreError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
