package io.longshore.client;

import com.google.rpc.Status;
import io.longshore.v1.Job;
import java.util.Optional;

/** The base of all that can go wrong with a daemon; unchecked. */
public class LongshoreException extends RuntimeException {
  LongshoreException(String message, Throwable cause) {
    super(message, cause);
  }

  /** No answer: nothing is known of the daemon. */
  public static final class ConnectionFailed extends LongshoreException {
    ConnectionFailed(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /** No answer in time; what was asked may have happened. */
  public static final class DeadlineExceeded extends LongshoreException {
    DeadlineExceeded(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /** A wait has used up its time; the job goes on. */
  public static final class WaitTimeout extends LongshoreException {
    WaitTimeout(String message) {
      super(message, null);
    }
  }

  /** A strict watch cannot go on: changes after its cursor are gone. */
  public static final class HistoryLost extends LongshoreException {
    HistoryLost(Throwable cause) {
      super(cause.getMessage(), cause);
    }
  }

  /** A job that was waited for ended without success. */
  public abstract static class JobEnded extends LongshoreException {
    private final transient Job job;

    JobEnded(Job job) {
      super("Job " + job.getJobId() + ": " + why(job.getError()), null);
      this.job = job;
    }

    private static String why(Status error) {
      return error.getMessage().isEmpty() ? "did not succeed" : error.getMessage();
    }

    /** Its last word. */
    public Job job() {
      return job;
    }

    /** The error as a call would have had it; empty if the job does not say. */
    public Optional<ServiceException> error() {
      return Errors.ofStatus(job.getError(), null);
    }
  }

  /** It failed. */
  public static final class JobFailed extends JobEnded {
    JobFailed(Job job) {
      super(job);
    }
  }

  /** Someone cancelled it. */
  public static final class JobCancelled extends JobEnded {
    JobCancelled(Job job) {
      super(job);
    }
  }
}
