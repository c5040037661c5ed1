package io.longshore.client;

import static java.util.Map.entry;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;

/** The typed errors behind those of the generated stubs. */
public final class Errors {
  private static final String DOMAIN = "jobs.longshore";

  private interface Maker
      extends BiFunction<ServiceException.Details, Throwable, ServiceException> {}

  private static final Map<String, Maker> CLASSES =
      Map.ofEntries(
          entry("FIELD_INVALID", ServiceException.InvalidRequest::new),
          entry("PAGE_TOKEN_INVALID", ServiceException.InvalidRequest::new),
          entry("CREDENTIALS_INVALID", ServiceException.PermissionDenied::new),
          entry("PERMISSION_DENIED", ServiceException.PermissionDenied::new),
          entry("JOB_NOT_FOUND", ServiceException.NotFound::new),
          entry("TARGET_NOT_FOUND", ServiceException.NotFound::new),
          entry("JOB_ID_TAKEN", ServiceException.AlreadyExists::new),
          entry("TARGET_EXISTS", ServiceException.AlreadyExists::new),
          entry("REQUEST_ID_REUSED", ServiceException.Conflict::new),
          entry("ACTION_NOT_ALLOWED", ServiceException.WrongState::new),
          entry("TARGET_BUSY", ServiceException.TargetBusy::new),
          entry("TARGET_WRONG_STATE", ServiceException.WrongState::new),
          entry("IMAGE_INVALID", ServiceException.ImageRefused::new),
          entry("IMAGE_UNSUPPORTED", ServiceException.ImageRefused::new),
          entry("REVISION_MISMATCH", ServiceException.Conflict::new),
          entry("REVISION_COMPACTED", ServiceException.HistoryGone::new),
          entry("REVISION_IN_FUTURE", ServiceException.HistoryGone::new),
          entry("HISTORY_CHANGED", ServiceException.HistoryGone::new),
          entry("JOB_LIMIT", ServiceException.LimitReached::new),
          entry("WATCH_LIMIT", ServiceException.LimitReached::new),
          entry("RATE_LIMIT", ServiceException.LimitReached::new),
          entry("NO_SPACE", ServiceException.NoSpace::new),
          entry("JOB_TYPE_UNSUPPORTED", ServiceException.Unsupported::new),
          entry("ACTION_UNSUPPORTED", ServiceException.Unsupported::new),
          entry("SERVER_STARTING", ServiceException.Unavailable::new),
          entry("SERVER_STOPPING", ServiceException.Unavailable::new),
          entry("STORE_UNAVAILABLE", ServiceException.Unavailable::new),
          entry("BACKEND_UNREACHABLE", ServiceException.Unavailable::new),
          entry("INTERNAL", ServiceException.Internal::new),
          entry("CANCELLED_BY_USER", ServiceException.Cancelled::new),
          entry("GROUP_MEMBER_FAILED", ServiceException.Interrupted::new),
          entry("PREDECESSOR_FAILED", ServiceException.Interrupted::new),
          entry("INTERRUPTED_BY_RESTART", ServiceException.Interrupted::new),
          entry("BACKEND_LOST", ServiceException.Interrupted::new),
          entry("IO_ERROR", ServiceException.DataLoss::new),
          entry("VERIFY_MISMATCH", ServiceException.DataLoss::new));

  private Errors() {}

  /** The error of this package behind one of a generated stub. */
  public static LongshoreException typed(StatusRuntimeException error) {
    io.grpc.Status status = error.getStatus();
    Optional<ServiceException> answer = ofStatus(StatusProto.fromThrowable(error), error);
    if (answer.isPresent()) {
      return answer.get();
    }
    String message =
        status.getDescription() == null ? status.getCode().name() : status.getDescription();
    return switch (status.getCode()) {
      case DEADLINE_EXCEEDED -> new LongshoreException.DeadlineExceeded(message, error);
      // Without the daemon's ErrorInfo these come from the transport.
      case UNAVAILABLE, INTERNAL, UNKNOWN, CANCELLED ->
          new LongshoreException.ConnectionFailed(message, error);
      default -> new ServiceException(bare(status.getCode(), message), error);
    };
  }

  private static ServiceException.Details bare(io.grpc.Status.Code code, String message) {
    return new ServiceException.Details(code, message, "", "", Map.of(), List.of(), null, "");
  }

  /** The error of a call or of a job; empty if it holds no ErrorInfo of the daemon. */
  static Optional<ServiceException> ofStatus(Status status, Throwable cause) {
    ErrorInfo info = detail(status, ErrorInfo.class).orElse(ErrorInfo.getDefaultInstance());
    if (!info.getDomain().equals(DOMAIN)) {
      return Optional.empty();
    }
    var details =
        new ServiceException.Details(
            io.grpc.Status.fromCodeValue(status.getCode()).getCode(),
            status.getMessage(),
            info.getReason(),
            info.getDomain(),
            info.getMetadataMap(),
            detail(status, BadRequest.class).map(BadRequest::getFieldViolationsList).orElse(List.of()),
            detail(status, RetryInfo.class).map(retry -> Times.of(retry.getRetryDelay())).orElse(null),
            detail(status, RequestInfo.class).map(RequestInfo::getRequestId).orElse(""));
    Maker maker = CLASSES.getOrDefault(info.getReason(), ServiceException::new);
    return Optional.of(maker.apply(details, cause));
  }

  /** The first detail of a type, if there is one that can be read. */
  private static <M extends Message> Optional<M> detail(Status status, Class<M> type) {
    for (Any packed : status.getDetailsList()) {
      try {
        if (packed.is(type)) {
          return Optional.of(packed.unpack(type));
        }
      } catch (InvalidProtocolBufferException broken) {
        continue;
      }
    }
    return Optional.empty();
  }
}
