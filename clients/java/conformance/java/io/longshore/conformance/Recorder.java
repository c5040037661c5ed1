package io.longshore.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.longshore.client.Value;
import io.longshore.client.Watch;
import io.longshore.v1.Job;
import java.util.List;

/** Reads a watch to its end on a thread, and keeps what is durable. */
final class Recorder {
  private final Watch watch;
  private final Thread thread = new Thread(this::read, "recorder");
  // All below are guarded by this.
  private final JsonArray events = new JsonArray();
  private long seen;
  private int resynced;
  private RuntimeException error;

  private Recorder(Watch watch) {
    this.watch = watch;
  }

  static Recorder start(Watch watch) {
    Recorder recorder = new Recorder(watch);
    recorder.thread.setDaemon(true);
    recorder.thread.start();
    return recorder;
  }

  synchronized JsonObject until(long revision) {
    try {
      while (error == null && seen < revision) {
        wait();
      }
    } catch (InterruptedException interrupt) {
      throw new IllegalStateException(interrupt);
    }
    if (error != null) {
      throw error;
    }
    return Driver.object("events", events.deepCopy(), "resynced", new JsonPrimitive(resynced));
  }

  void close() {
    watch.close();
    try {
      thread.join();
    } catch (InterruptedException interrupt) {
      throw new IllegalStateException(interrupt);
    }
  }

  private void read() {
    try {
      while (watch.hasNext()) {
        keep(watch.next());
      }
    } catch (RuntimeException broken) {
      synchronized (this) {
        error = broken;
        notifyAll();
      }
    }
  }

  private synchronized void keep(Value value) {
    if (value instanceof Value.Event event) {
      row(event.kind(), event.revision(), event.job());
      seen = event.revision();
    } else if (value instanceof Value.Snapshot snapshot) {
      rows(snapshot.jobs());
      seen = snapshot.cursor().getRevision();
    } else if (value instanceof Value.Resynced now) {
      resynced++;
      rows(now.jobs());
      seen = now.cursor().getRevision();
    }
    notifyAll();
  }

  private void rows(List<Job> jobs) {
    jobs.forEach(job -> row("SNAPSHOT", job.getRevision(), job));
  }

  private void row(String kind, long revision, Job job) {
    events.add(
        Driver.object(
            "kind", Driver.text(kind),
            "job_id", Driver.text(job.getJobId()),
            "revision", Driver.text(Long.toString(revision)),
            "state", Words.state(job.getState(), job.getStateValue())));
  }
}
