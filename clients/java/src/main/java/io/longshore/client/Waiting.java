package io.longshore.client;

import io.longshore.v1.Job;
import io.longshore.v1.JobServiceGrpc;
import io.longshore.v1.WaitJobRequest;
import io.longshore.v1.WaitJobResponse;
import java.time.Duration;

/** One wait for one job, call after call. */
final class Waiting {
  /** One WaitJob; well under what proxies cut. */
  private static final Duration CALL = Duration.ofSeconds(30);

  /** On top of it, for the answer to travel. */
  private static final Duration GRACE = Duration.ofSeconds(5);

  /** A wait outlives a restart of the daemon that takes no longer than this. */
  private static final Duration UNREACHABLE = Duration.ofMinutes(1);

  private static final Duration FOREVER = Duration.ofDays(36_500);

  private final Client client;
  private final String jobId;
  private final WaitOptions how;
  private final Duration timeout;
  private final long start = System.nanoTime();

  Waiting(Client client, String jobId, WaitOptions how) {
    this.client = client;
    this.jobId = jobId;
    this.how = how;
    this.timeout = how.timeout() == null ? FOREVER : Times.min(how.timeout(), FOREVER);
  }

  Job run() {
    Duration heard = now();
    for (int attempt = 1; ; attempt++) {
      Duration began = now();
      Duration pause;
      try {
        WaitJobResponse answer = ask(Times.max(Duration.ZERO, Times.min(CALL, left())));
        if (answer.getReached()) {
          return outcome(answer.getJob());
        }
        heard = now();
        attempt = 0;
        // An early answer is allowed; asking on and on is not.
        pause = Times.max(Duration.ZERO, Times.BACKOFF.minus(heard.minus(began)));
      } catch (LongshoreException.JobEnded ended) {
        throw ended;
      } catch (LongshoreException error) {
        pause = delay(error, attempt);
        if (pause == null || now().minus(heard).compareTo(UNREACHABLE) >= 0) {
          throw error;
        }
      }
      if (left().isNegative() || left().isZero()) {
        throw new LongshoreException.WaitTimeout(
            "Job " + jobId + " goes on; waited " + timeout.toMillis() / 1e3 + " s for it");
      }
      Client.sleep(Times.max(Duration.ZERO, Times.min(pause, left())));
    }
  }

  private WaitJobResponse ask(Duration asked) {
    var request = WaitJobRequest.newBuilder().setJobId(jobId).addAllStates(how.states());
    return client.once(
        JobServiceGrpc.getWaitJobMethod(),
        request.setTimeout(Times.toProto(asked)).build(),
        asked.plus(GRACE));
  }

  private Duration now() {
    return Duration.ofNanos(System.nanoTime() - start);
  }

  private Duration left() {
    return timeout.minus(now());
  }

  /** As of any call; and a wait that got no answer in time is asked again. */
  static Duration delay(LongshoreException error, int attempt) {
    boolean isLate = error instanceof LongshoreException.DeadlineExceeded;
    return isLate ? Times.BACKOFF_MAX : Times.retryDelay(error, attempt);
  }

  /** The job, unless it ended without success and nobody asked for that. */
  private Job outcome(Job job) {
    if (how.anyEnd() || how.states().contains(job.getState())) {
      return job;
    }
    return switch (job.getState()) {
      case JOB_STATE_FAILED -> throw new LongshoreException.JobFailed(job);
      case JOB_STATE_CANCELLED -> throw new LongshoreException.JobCancelled(job);
      default -> job;
    };
  }
}
