package io.longshore.client;

import io.longshore.v1.Cursor;
import io.longshore.v1.Job;
import io.longshore.v1.JobEvent;
import io.longshore.v1.JobProgress;
import java.util.List;

/** What a watch tells. */
public sealed interface Value {
  /**
   * One durable change of one job. The cursor includes it: saved together with what the
   * change caused, it makes every change take effect exactly once, even across a crash.
   */
  record Event(JobEvent event, Cursor cursor) implements Value {
    public Job job() {
      return event.getJob();
    }

    public long revision() {
      return event.getRevision();
    }

    /** CREATED, UPDATED, REMOVED; the number of a kind newer than this client. */
    public String kind() {
      return switch (event.getKind()) {
        case UNRECOGNIZED -> Integer.toString(event.getKindValue());
        default -> event.getKind().name().substring("JOB_EVENT_KIND_".length());
      };
    }
  }

  /** The newest progress of one job; not history, may skip values. */
  record Progress(String jobId, JobProgress progress) implements Value {}

  /** Every job that matches, at the start of the watch. */
  record Snapshot(List<Job> jobs, Cursor cursor) implements Value {}

  /** History was lost; these are the jobs now. What is not here is gone. */
  record Resynced(List<Job> jobs, Cursor cursor) implements Value {}
}
