package io.longshore.examples;

import io.longshore.client.Client;
import io.longshore.client.Value;
import io.longshore.client.Watch;
import io.longshore.client.WatchOptions;
import io.longshore.v1.Job;

/** Prints every change of every job, until one with the label stop=yes has ended. */
public final class WatchAll {
  private WatchAll() {}

  public static void main(String[] arguments) {
    // The loop survives restarts of the daemon; leaving the block ends the call.
    try (Client client = new Client();
        Watch watch = client.watch(WatchOptions.all().omitProgress())) {
      while (watch.hasNext()) {
        Value value = watch.next();
        if (value instanceof Value.Snapshot snapshot) {
          System.out.println("snapshot " + snapshot.jobs().size());
        } else if (value instanceof Value.Resynced now) {
          // History was lost: these are the jobs now.
          System.out.println("snapshot " + now.jobs().size());
        } else if (value instanceof Value.Event event) {
          System.out.println(line(event));
          if (isLast(event.job())) {
            break;
          }
        }
      }
    }
  }

  private static String line(Value.Event event) {
    Job job = event.job();
    String state = job.getState().name().replaceFirst("JOB_STATE_", "");
    return event.kind() + " " + job.getJobId() + " " + state + " revision=" + event.revision();
  }

  private static boolean isLast(Job job) {
    return job.hasEndTime() && "yes".equals(job.getLabelsMap().get("stop"));
  }
}
