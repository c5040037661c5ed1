package io.longshore.examples;

import io.longshore.client.Client;
import io.longshore.client.JobHandle;
import io.longshore.client.LongshoreException;
import io.longshore.client.Requests;
import io.longshore.client.Value;
import io.longshore.client.Watch;
import io.longshore.client.WatchOptions;
import io.longshore.v1.CreateJobRequest;
import io.longshore.v1.Job;
import io.longshore.v1.JobOptions;
import io.longshore.v1.JobState;
import java.time.Duration;

/** Pulls an image slowly, then without a limit: change_rate TOP. */
public final class ChangeRate {
  private ChangeRate() {}

  public static void main(String[] arguments) {
    var request =
        CreateJobRequest.newBuilder()
            .setInfo(Requests.pull(Requests.qcow2(arguments[0])))
            .setOptions(JobOptions.newBuilder().setSpeedBytesPerSecond(64 << 10))
            .build();
    try (Client client = new Client()) {
      JobHandle job = client.create(request);
      System.out.println(job.jobId());
      awaitProgress(job);
      job.clearSpeed();
      job.await();
      System.out.println(job.jobId() + " SUCCEEDED");
    } catch (LongshoreException error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
  }

  /** Returns when the job runs and has told its progress. */
  private static void awaitProgress(JobHandle job) {
    boolean isRunning = false;
    var often = WatchOptions.all().progressInterval(Duration.ofMillis(100));
    try (Watch watch = job.watch(often)) {
      while (watch.hasNext()) {
        Value value = watch.next();
        if (value instanceof Value.Snapshot snapshot) {
          isRunning = snapshot.jobs().stream().anyMatch(ChangeRate::isRunning);
        } else if (value instanceof Value.Event event) {
          isRunning = isRunning(event.job());
        } else if (value instanceof Value.Progress && isRunning) {
          return;
        }
      }
    }
  }

  private static boolean isRunning(Job job) {
    return job.getState() == JobState.JOB_STATE_RUNNING;
  }
}
