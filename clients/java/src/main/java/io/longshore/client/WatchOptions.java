package io.longshore.client;

import io.longshore.v1.Cursor;
import io.longshore.v1.JobSelector;
import java.time.Duration;

/** What to watch, and how. Each method answers options of its own. */
public final class WatchOptions implements Cloneable {
  JobSelector selector = JobSelector.getDefaultInstance();
  Cursor cursor;
  boolean fromNow;
  boolean strict;
  boolean omitProgress;
  Duration progressInterval;
  Duration heartbeatInterval;
  boolean stopWhenFinished;
  Duration patience;

  private WatchOptions() {}

  /** Every job, beginning with a Snapshot, for ever. */
  public static WatchOptions all() {
    return new WatchOptions();
  }

  public WatchOptions select(JobSelector chosen) {
    WatchOptions next = copy();
    next.selector = chosen;
    return next;
  }

  /** Go on after this cursor, without a Snapshot. */
  public WatchOptions after(Cursor last) {
    WatchOptions next = copy();
    next.cursor = last;
    return next;
  }

  /** Begin with the next change, without a Snapshot. */
  public WatchOptions fromNow() {
    WatchOptions next = copy();
    next.fromNow = true;
    return next;
  }

  /** Lost history throws HistoryLost; else it is a Resynced. */
  public WatchOptions strict() {
    WatchOptions next = copy();
    next.strict = true;
    return next;
  }

  /** Durable changes only. */
  public WatchOptions omitProgress() {
    WatchOptions next = copy();
    next.omitProgress = true;
    return next;
  }

  /** Between samples of one job; the daemon's own is 1 s. */
  public WatchOptions progressInterval(Duration interval) {
    WatchOptions next = copy();
    next.progressInterval = interval;
    return next;
  }

  /**
   * Silence after which the daemon shows that it lives; its own is 15 s. Three of them
   * missed, a new stream.
   */
  public WatchOptions heartbeatInterval(Duration interval) {
    WatchOptions next = copy();
    next.heartbeatInterval = interval;
    return next;
  }

  /** End once every job selected has ended. */
  public WatchOptions stopWhenFinished() {
    WatchOptions next = copy();
    next.stopWhenFinished = true;
    return next;
  }

  /** Throw when the daemon has been away so long; else come back for ever. */
  public WatchOptions patience(Duration time) {
    WatchOptions next = copy();
    next.patience = time;
    return next;
  }

  private WatchOptions copy() {
    try {
      return (WatchOptions) clone();
    } catch (CloneNotSupportedException impossible) {
      throw new AssertionError(impossible);
    }
  }
}
