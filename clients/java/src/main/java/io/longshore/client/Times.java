package io.longshore.client;

import com.google.protobuf.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** Durations of the wire and of Java, and the backoff of single calls. */
final class Times {
  static final java.time.Duration BACKOFF = java.time.Duration.ofMillis(100);
  static final java.time.Duration BACKOFF_MAX = java.time.Duration.ofSeconds(1);

  /** 0.1 s doubled so often is past the longest backoff. */
  static final int DOUBLINGS_MAX = 7;

  /** Told to come back later, the caller is told instead of kept waiting. */
  static final java.time.Duration RETRY_DELAY_MAX = java.time.Duration.ofSeconds(5);

  private Times() {}

  static java.time.Duration of(Duration duration) {
    return java.time.Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
  }

  static Duration toProto(java.time.Duration duration) {
    return Duration.newBuilder()
        .setSeconds(duration.getSeconds())
        .setNanos(duration.getNano())
        .build();
  }

  static java.time.Duration min(java.time.Duration one, java.time.Duration other) {
    return one.compareTo(other) < 0 ? one : other;
  }

  static java.time.Duration max(java.time.Duration one, java.time.Duration other) {
    return one.compareTo(other) > 0 ? one : other;
  }

  /** A ceiling that doubles with each failure. */
  static java.time.Duration ceiling(int failures, java.time.Duration most) {
    return min(most, BACKOFF.multipliedBy(1L << Math.min(failures, DOUBLINGS_MAX)));
  }

  static java.time.Duration jittered(java.time.Duration ceiling, double chance) {
    return java.time.Duration.ofNanos((long) (ceiling.toNanos() * chance));
  }

  /** The time until the next try; null if another try would not help. */
  static java.time.Duration retryDelay(LongshoreException error, int attempt) {
    if (error instanceof ServiceException.NoSpace) {
      return null;
    }
    if (error instanceof ServiceException answer && answer.retryDelay().isPresent()) {
      java.time.Duration asked = answer.retryDelay().get();
      return asked.compareTo(RETRY_DELAY_MAX) > 0 ? null : max(asked, BACKOFF);
    }
    if (error instanceof LongshoreException.ConnectionFailed
        || error instanceof ServiceException.Unavailable) {
      double chance = ThreadLocalRandom.current().nextDouble(0.5, 1.0);
      return jittered(ceiling(attempt - 1, BACKOFF_MAX), chance);
    }
    return null;
  }
}
