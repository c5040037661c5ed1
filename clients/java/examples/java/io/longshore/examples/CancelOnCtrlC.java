package io.longshore.examples;

import io.longshore.client.Client;
import io.longshore.client.JobHandle;
import io.longshore.client.LongshoreException;
import io.longshore.client.Requests;
import io.longshore.v1.CreateJobRequest;
import io.longshore.v1.Job;
import io.longshore.v1.JobOptions;
import io.longshore.v1.JobState;

/** Pulls an image slowly, and cancels the job on Ctrl-C: cancel_on_ctrl_c TOP. */
public final class CancelOnCtrlC {
  private static final int INTERRUPTED = 130;

  private CancelOnCtrlC() {}

  public static void main(String[] arguments) {
    var request =
        CreateJobRequest.newBuilder()
            .setInfo(Requests.pull(Requests.qcow2(arguments[0])))
            .setOptions(JobOptions.newBuilder().setSpeedBytesPerSecond(64 << 10))
            .build();
    try (Client client = new Client()) {
      JobHandle job = client.create(request);
      Thread farewell = new Thread(() -> Runtime.getRuntime().halt(cancel(job)));
      Runtime.getRuntime().addShutdownHook(farewell);
      System.out.println(job.jobId());
      await(job);
      Runtime.getRuntime().removeShutdownHook(farewell);
    }
  }

  private static void await(JobHandle job) {
    try {
      job.await();
    } catch (LongshoreException.JobCancelled byTheHook) {
      // It says so itself, and ends the program.
      park();
    } catch (LongshoreException error) {
      System.err.println(error.getMessage());
      Runtime.getRuntime().halt(1);
    }
  }

  private static void park() {
    try {
      Thread.currentThread().join();
    } catch (InterruptedException end) {
      Thread.currentThread().interrupt();
    }
  }

  /** A job does not belong to the program that made it: it has to be told. */
  private static int cancel(JobHandle job) {
    try {
      Job done = job.cancelAndAwait("Ctrl-C", false);
      if (done.getState() == JobState.JOB_STATE_CANCELLED) {
        System.out.println(job.jobId() + " CANCELLED");
        System.out.flush();
        return INTERRUPTED;
      }
      System.err.println(job.jobId() + " was faster: " + done.getState());
    } catch (LongshoreException error) {
      System.err.println(error.getMessage());
    }
    return 1;
  }
}
