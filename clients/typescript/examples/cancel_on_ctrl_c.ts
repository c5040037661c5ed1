/** Pull slowly; Ctrl-C cancels the job and waits for its end: cancel_on_ctrl_c TOP */

import { Client, JobCancelled, parseRate } from "@longshore/client";

const [top = ""] = process.argv.slice(2);
using client = new Client();

const options = { speedBytesPerSecond: parseRate("64K") };
const job = await client.pull(top, { options });
process.once("SIGINT", () => {
  // If it has ended meanwhile, wait() below tells how.
  job.cancel({ comment: "Ctrl-C" }).catch((error: unknown) => console.error(error));
});
console.log(job.jobId);
try {
  await job.wait();
  console.log(`${job.jobId} SUCCEEDED`);
} catch (error) {
  if (!(error instanceof JobCancelled)) throw error;
  console.log(`${job.jobId} CANCELLED`);
  process.exitCode = 130;
}
