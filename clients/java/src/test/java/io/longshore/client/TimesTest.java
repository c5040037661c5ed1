package io.longshore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.rpc.RetryInfo;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TimesTest {
  private static LongshoreException refusal(String reason, Duration delay) {
    var retry = RetryInfo.newBuilder().setRetryDelay(Times.toProto(delay)).build();
    var answer = ErrorsTest.refusal(Code.RESOURCE_EXHAUSTED, reason, retry);
    return Errors.typed(StatusProto.toStatusRuntimeException(answer));
  }

  @ParameterizedTest
  @CsvSource({"1, 100", "2, 200", "4, 800", "5, 1000", "400, 1000"})
  void retriesBackOffToOneSecond(int attempt, long ceiling) {
    var lost = new LongshoreException.ConnectionFailed("lost", null);
    long delay = Times.retryDelay(lost, attempt).toMillis();
    assertTrue(ceiling / 2 <= delay && delay <= ceiling, delay + " ms");
  }

  @Test
  void aShortDelayIsHonouredAndALongOneIsNot() {
    assertEquals(
        Duration.ofSeconds(2), Times.retryDelay(refusal("JOB_LIMIT", Duration.ofSeconds(2)), 1));
    assertEquals(Times.BACKOFF, Times.retryDelay(refusal("JOB_LIMIT", Duration.ZERO), 1));
    assertNull(Times.retryDelay(refusal("JOB_LIMIT", Duration.ofMinutes(1)), 1));
  }

  @Test
  void anotherTryIsOnlyMadeWhereItMayHelp() {
    assertNull(Times.retryDelay(refusal("NO_SPACE", Duration.ofSeconds(1)), 1));
    var late = new LongshoreException.DeadlineExceeded("late", null);
    assertNull(Times.retryDelay(late, 1));
    assertEquals(Times.BACKOFF_MAX, Waiting.delay(late, 1));
  }

  @Test
  void aRequestIdIsAUuidOfVersion7() {
    long before = System.currentTimeMillis();
    UUID id = UUID.fromString(Requests.newId());
    assertEquals(7, id.version());
    assertEquals(2, id.variant());
    long made = id.getMostSignificantBits() >>> 16;
    assertTrue(before <= made && made <= System.currentTimeMillis());
    assertNotEquals(id.toString(), Requests.newId());
  }
}
