package io.longshore.client;

import com.google.rpc.BadRequest.FieldViolation;
import io.grpc.Status;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * An answer of the daemon that is an error. Its reason decides the class; one that is
 * newer than this client is a plain ServiceException, and so is an error of a proxy: its
 * reason and domain are empty and only its code says something.
 */
public class ServiceException extends LongshoreException {
  /** What an error says. */
  record Details(
      Status.Code code,
      String message,
      String reason,
      String domain,
      Map<String, String> metadata,
      List<FieldViolation> fieldViolations,
      Duration retryDelay,
      String requestId) {}

  private final transient Details details;

  ServiceException(Details details, Throwable cause) {
    super(details.message(), cause);
    this.details = details;
  }

  public Status.Code code() {
    return details.code();
  }

  /** A name of the ErrorReason enum, without its prefix. */
  public String reason() {
    return details.reason();
  }

  public String domain() {
    return details.domain();
  }

  /** Everything variable of the message. */
  public Map<String, String> metadata() {
    return details.metadata();
  }

  public List<FieldViolation> fieldViolations() {
    return details.fieldViolations();
  }

  /** Empty if nothing is said about a retry. */
  public Optional<Duration> retryDelay() {
    return Optional.ofNullable(details.retryDelay());
  }

  /** Finds the call in the daemon's log. */
  public String requestId() {
    return details.requestId();
  }

  /** The request is wrong in itself; {@link #fieldViolations} says where. */
  public static final class InvalidRequest extends ServiceException {
    InvalidRequest(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** There is no such job or image. */
  public static final class NotFound extends ServiceException {
    NotFound(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** The job id was used before, or the image is there. */
  public static final class AlreadyExists extends ServiceException {
    AlreadyExists(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** Who asks is not known, or may not do this. */
  public static final class PermissionDenied extends ServiceException {
    PermissionDenied(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** The verb does not fit the state. */
  public static final class WrongState extends ServiceException {
    WrongState(Details details, Throwable cause) {
      super(details, cause);
    }

    /** The verbs that do fit. */
    public List<String> allowed() {
      String names = metadata().getOrDefault("allowedActions", "");
      return Arrays.stream(names.split(", "))
          .filter(name -> !name.isEmpty() && !name.equals("none"))
          .toList();
    }
  }

  /** A job or a foreign process holds the image. */
  public static final class TargetBusy extends ServiceException {
    TargetBusy(Details details, Throwable cause) {
      super(details, cause);
    }

    /** The job that holds it; empty if a process does: metadata has its pid and command. */
    public String blockingJobId() {
      return metadata().getOrDefault("blockingJobId", "");
    }
  }

  /** Someone was faster, or the request id belongs to another request. */
  public static final class Conflict extends ServiceException {
    Conflict(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** The image contradicts its format, or uses what is not supported. */
  public static final class ImageRefused extends ServiceException {
    ImageRefused(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** The history after the cursor is not there; a watch handles it itself. */
  public static final class HistoryGone extends ServiceException {
    HistoryGone(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** Too many jobs, watches or calls; {@link #retryDelay} says when to come again. */
  public static final class LimitReached extends ServiceException {
    LimitReached(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** The storage is full; trying again does not help. */
  public static final class NoSpace extends ServiceException {
    NoSpace(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** This daemon does not serve this kind of job, or this verb. */
  public static final class Unsupported extends ServiceException {
    Unsupported(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** The daemon is starting or stopping, or what it needs does not answer. */
  public static final class Unavailable extends ServiceException {
    Unavailable(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** A bug of the daemon; {@link #requestId} finds it in the daemon's log. */
  public static final class Internal extends ServiceException {
    Internal(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** Reading or writing failed, or what was written reads otherwise. */
  public static final class DataLoss extends ServiceException {
    DataLoss(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** Only of a job: someone asked for its end. */
  public static final class Cancelled extends ServiceException {
    Cancelled(Details details, Throwable cause) {
      super(details, cause);
    }
  }

  /** Only of a job: a restart, its group or a predecessor. */
  public static final class Interrupted extends ServiceException {
    Interrupted(Details details, Throwable cause) {
      super(details, cause);
    }
  }
}
