/** Tell every change of every job, until one labelled stop=yes has ended. */

import { Client, type Job, JobEventKind, JobState } from "@longshore/client";

using client = new Client();

for await (const value of client.watch()) {
  if (value.type === "snapshot" || value.type === "resynced") {
    console.log(`${value.type} ${value.jobs.length}`);
    if (value.jobs.some(isTheLast)) break;
  }
  if (value.type === "event" && value.job) {
    const { kind, job, revision } = value;
    console.log(
      `${JobEventKind[kind]} ${job.jobId} ${JobState[job.state]} revision=${revision}`,
    );
    // Leaving the loop ends the call.
    if (isTheLast(job)) break;
  }
}

function isTheLast(job: Job): boolean {
  return job.labels["stop"] === "yes" && job.endTime !== undefined;
}
