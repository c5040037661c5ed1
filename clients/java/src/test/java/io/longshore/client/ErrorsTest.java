package io.longshore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RequestInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import io.longshore.v1.ErrorReason;
import io.longshore.v1.Job;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ErrorsTest {
  /** What the daemon answers. */
  static com.google.rpc.Status refusal(Code code, String reason, Message... more) {
    var info = ErrorInfo.newBuilder().setReason(reason).setDomain("jobs.longshore");
    if (reason.equals("ACTION_NOT_ALLOWED")) {
      info.putMetadata("allowedActions", "cancel, pause");
    }
    var answer = com.google.rpc.Status.newBuilder().setCode(code.value()).setMessage("refused");
    answer.addDetails(Any.pack(info.build()));
    List.of(more).forEach(detail -> answer.addDetails(Any.pack(detail)));
    return answer.build();
  }

  private static LongshoreException typed(com.google.rpc.Status answer) {
    return Errors.typed(StatusProto.toStatusRuntimeException(answer));
  }

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = {"ERROR_REASON_UNSPECIFIED", "UNRECOGNIZED"})
  void everyReasonOfTheContractHasAClass(ErrorReason reason) {
    String name = reason.name().substring("ERROR_REASON_".length());
    assertNotEquals(ServiceException.class, typed(refusal(Code.ABORTED, name)).getClass());
  }

  @Test
  void anAnswerOfTheDaemonIsAServiceException() {
    var where = BadRequest.FieldViolation.newBuilder().setField("info").build();
    var error =
        assertInstanceOf(
            ServiceException.TargetBusy.class,
            typed(
                refusal(
                    Code.FAILED_PRECONDITION,
                    "TARGET_BUSY",
                    BadRequest.newBuilder().addFieldViolations(where).build(),
                    RetryInfo.newBuilder()
                        .setRetryDelay(Duration.newBuilder().setSeconds(1).setNanos(500_000_000))
                        .build(),
                    RequestInfo.newBuilder().setRequestId("r1").build())));
    assertEquals(Code.FAILED_PRECONDITION, error.code());
    assertEquals("refused", error.getMessage());
    assertEquals(List.of(where), error.fieldViolations());
    assertEquals(1500, error.retryDelay().orElseThrow().toMillis());
    assertEquals("r1", error.requestId());
  }

  @Test
  void aReasonNewerThanThisClientIsAServiceException() {
    var error = typed(refusal(Code.ABORTED, "MOON_IN_WRONG_PHASE"));
    assertEquals(ServiceException.class, error.getClass());
    assertEquals("MOON_IN_WRONG_PHASE", ((ServiceException) error).reason());
  }

  @ParameterizedTest
  @CsvSource({
    "UNAVAILABLE, ConnectionFailed",
    "INTERNAL, ConnectionFailed",
    "UNKNOWN, ConnectionFailed",
    "CANCELLED, ConnectionFailed",
    "DEADLINE_EXCEEDED, DeadlineExceeded",
    "PERMISSION_DENIED, ServiceException"
  })
  void whatIsNotOfTheDaemonIsKnownByItsCode(Code code, String name) {
    var error = Errors.typed(Status.fromCode(code).asRuntimeException());
    assertEquals(name, error.getClass().getSimpleName());
    assertEquals(code.name(), error.getMessage());
  }

  @Test
  void detailsThatCannotBeReadAreLeftOut() {
    var broken = Any.pack(RetryInfo.getDefaultInstance()).toBuilder();
    broken.setValue(ByteString.copyFrom(new byte[] {-1}));
    var answer = refusal(Code.NOT_FOUND, "JOB_NOT_FOUND").toBuilder().addDetails(broken);
    answer.addDetails(Any.newBuilder().setTypeUrl("type.googleapis.com/longshore.v9.News"));
    var error = assertInstanceOf(ServiceException.NotFound.class, typed(answer.build()));
    assertTrue(error.retryDelay().isEmpty());
  }

  @Test
  void aWrongStateNamesTheVerbsThatFit() {
    var error = (ServiceException.WrongState) typed(refusal(Code.ABORTED, "ACTION_NOT_ALLOWED"));
    assertEquals(List.of("cancel", "pause"), error.allowed());
  }

  @Test
  void aJobThatFailedHasTheErrorThatACallWouldHaveHad() {
    var why = refusal(Code.NOT_FOUND, "TARGET_NOT_FOUND");
    var failed = new LongshoreException.JobFailed(Job.newBuilder().setError(why).build());
    assertInstanceOf(ServiceException.NotFound.class, failed.error().orElseThrow());
    assertNull(failed.getCause());
  }
}
