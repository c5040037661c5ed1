package io.longshore.examples;

import io.longshore.client.Client;
import io.longshore.client.Credentials;
import io.longshore.client.JobHandle;
import io.longshore.client.LongshoreException;
import io.longshore.client.Requests;
import io.longshore.client.ServiceException;
import io.longshore.client.Value;
import io.longshore.client.Watch;
import io.longshore.client.WatchOptions;
import io.longshore.v1.CreateJobRequest;
import io.longshore.v1.Cursor;
import io.longshore.v1.ImageRef;
import io.longshore.v1.Job;
import io.longshore.v1.JobOptions;
import io.longshore.v1.OnConflict;
import java.time.Duration;

/** What the README shows, to be compiled. */
final class Readme {
  private Readme() {}

  static void submitAndWait() {
    try (Client client = new Client()) {
      ImageRef top = Requests.qcow2("/srv/images/top.qcow2");
      JobHandle job =
          client.create(CreateJobRequest.newBuilder().setInfo(Requests.pull(top)).build());
      System.out.println(job.jobId());
      Job done = job.await();
      System.out.println(done.getProgress().getWrittenBytes() + " bytes copied");
    }
  }

  static void submitGently(Client client, ImageRef top) {
    JobHandle job =
        client.create(
            CreateJobRequest.newBuilder()
                .setInfo(Requests.pull(top))
                .setOptions(JobOptions.newBuilder().setSpeedBytesPerSecond(50 << 20))
                .putLabels("vm", "web-1")
                .setOnConflict(OnConflict.ON_CONFLICT_QUEUE)
                .build());
    try {
      job.await(Duration.ofHours(1));
    } catch (LongshoreException.WaitTimeout late) {
      job.pause("it is day");
    }
  }

  static Client overTheNetwork() {
    var who =
        Credentials.tls("/etc/longshore/ca.pem") // whom to believe; "system" for public CAs
            .withCertificate("/etc/longshore/me.pem", "/etc/longshore/me.key")
            .withTokenFile("/run/secrets/longshore-token"); // one of the two may be enough
    return new Client("images-7.example.org:7443", who);
  }

  static void follow(Client client, Cursor cursor) {
    try (Watch watch = client.watch(WatchOptions.all().after(cursor))) {
      while (watch.hasNext()) {
        Value value = watch.next();
        if (value instanceof Value.Snapshot snapshot) { // the jobs as they are
          cursor = snapshot.cursor();
        } else if (value instanceof Value.Resynced now) { // the same, after history was lost
          cursor = now.cursor();
        } else if (value instanceof Value.Event event) { // one change, told exactly once
          System.out.println(event.kind() + " " + event.job().getJobId());
          cursor = event.cursor();
        } else if (value instanceof Value.Progress progress) {
          System.out.println(progress.jobId() + " " + progress.progress().getCurrent());
        }
      }
    }
    System.out.println("to be saved: " + cursor);
  }

  static void tell(Client client, CreateJobRequest request) {
    try {
      client.create(request).await();
    } catch (LongshoreException.JobEnded ended) { // of a wait
      System.out.println(ended.job().getState() + " " + ended.error());
    } catch (ServiceException.TargetBusy busy) {
      System.out.println("held by " + busy.blockingJobId() + busy.metadata().get("command"));
    } catch (ServiceException refused) { // whatever else the daemon answers
      System.out.println(refused.code() + " " + refused.reason() + " " + refused.metadata());
    } catch (LongshoreException.ConnectionFailed unknown) { // no answer: nothing is known
      System.out.println("is longshored running?");
    }
  }
}
