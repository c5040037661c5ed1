package io.longshore.examples;

import io.longshore.client.Client;
import io.longshore.client.JobHandle;
import io.longshore.client.LongshoreException;
import io.longshore.client.Requests;
import io.longshore.v1.CreateJobRequest;

/** Pulls an image and waits for the end: submit_and_wait TOP. */
public final class SubmitAndWait {
  private SubmitAndWait() {}

  public static void main(String[] arguments) {
    var top = Requests.qcow2(arguments[0]);
    var request = CreateJobRequest.newBuilder().setInfo(Requests.pull(top)).build();
    try (Client client = new Client()) {
      JobHandle job = client.create(request);
      System.out.println(job.jobId());
      job.await();
      System.out.println(job.jobId() + " SUCCEEDED");
    } catch (LongshoreException error) {
      System.err.println(error.getMessage());
      System.exit(1);
    }
  }
}
