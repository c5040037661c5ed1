package io.longshore.examples;

import io.longshore.client.Client;
import io.longshore.client.JobHandle;
import io.longshore.client.LongshoreException;
import io.longshore.client.Requests;
import io.longshore.client.ServiceException;
import io.longshore.v1.CreateJobRequest;
import io.longshore.v1.JobOptions;
import io.longshore.v1.OnConflict;

/** Meets a job that holds the image already, and queues behind it: handle_conflict TOP. */
public final class HandleConflict {
  private HandleConflict() {}

  public static void main(String[] arguments) {
    var pull = CreateJobRequest.newBuilder().setInfo(Requests.pull(Requests.qcow2(arguments[0])));
    var slow = JobOptions.newBuilder().setSpeedBytesPerSecond(64 << 10).build();
    try (Client client = new Client()) {
      client.create(pull.clone().setOptions(slow).build());
      try {
        client.create(pull.build());
      } catch (ServiceException.TargetBusy busy) {
        System.out.println("busy: " + busy.blockingJobId());
        client.job(busy.blockingJobId()).cancelAndAwait("", false);
      }
      JobHandle job = client.create(pull.setOnConflict(OnConflict.ON_CONFLICT_QUEUE).build());
      job.await();
      System.out.println(job.jobId() + " SUCCEEDED");
    } catch (LongshoreException error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
  }
}
