package io.longshore.client;

import io.longshore.v1.JobState;
import java.time.Duration;
import java.util.List;

/** What a wait is for. */
public record WaitOptions(List<JobState> states, Duration timeout, boolean anyEnd) {
  /** The end of the job, however long that takes. */
  public static WaitOptions forEnd() {
    return new WaitOptions(List.of(), null, false);
  }

  /** One of these states, or the end. */
  public static WaitOptions forStates(JobState... states) {
    return new WaitOptions(List.of(states), null, false);
  }

  /** So long; then it throws WaitTimeout. */
  public WaitOptions within(Duration time) {
    return new WaitOptions(states, time, anyEnd);
  }

  /** An end without success is no error. */
  public WaitOptions orFailure() {
    return new WaitOptions(states, timeout, true);
  }
}
