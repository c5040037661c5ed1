package io.longshore.client;

import io.grpc.Status;
import io.longshore.v1.Cursor;
import io.longshore.v1.Job;
import io.longshore.v1.JobEvent;
import io.longshore.v1.WatchCloseReason;
import io.longshore.v1.WatchClosing;
import io.longshore.v1.WatchJobsRequest;
import io.longshore.v1.WatchJobsResponse;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.DoubleSupplier;

/**
 * A watch across its streams, without I/O: which request to send, what a frame means, when
 * to come back.
 */
final class Watcher {
  private static final Duration BACKOFF_MAX = Duration.ofSeconds(10);

  /** A stream that lived so long starts the backoff afresh. */
  private static final Duration HEALTHY = Duration.ofSeconds(30);

  private static final int HEARTBEATS_MISSED = 3;
  private static final Duration HEARTBEAT_MIN = Duration.ofMillis(100);

  /** Until opened has said what the heartbeat is. */
  private static final Duration FIRST_FRAME = Duration.ofSeconds(30);

  /** What to tell, and where the cursor is once that is done; one of them may be null. */
  private record Step(Value value, Cursor cursor) {}

  private final WatchOptions how;
  private final DoubleSupplier chance; // for the jitter, from 0 to 1
  private final Deque<Step> steps = new ArrayDeque<>();
  private volatile Cursor cursor;
  private boolean fromNow;
  private Cursor told; // of the value that was told last
  private Duration silence = FIRST_FRAME;
  private Duration retryDelay = Duration.ZERO;
  private Duration away = Duration.ZERO;
  private boolean isHeard;
  private boolean isResyncing;
  private boolean isFinished;
  private int failures;
  private List<Job> gathered = new ArrayList<>();

  Watcher(WatchOptions how, DoubleSupplier chance) {
    this.how = how;
    this.chance = chance;
    cursor = how.cursor;
    fromNow = how.fromNow;
  }

  Cursor cursor() {
    return cursor;
  }

  /** Without a frame for so long, the stream is dead. */
  Duration silence() {
    return silence;
  }

  /** The server has said all there is to say, and so have we. */
  boolean isFinished() {
    return isFinished && steps.isEmpty();
  }

  /** What to send to open the next stream. */
  WatchJobsRequest request() {
    gathered = new ArrayList<>();
    retryDelay = Duration.ZERO;
    isHeard = false;
    silence = FIRST_FRAME;
    var request =
        WatchJobsRequest.newBuilder()
            .setSelector(how.selector)
            .setOmitProgress(how.omitProgress)
            .setStopWhenFinished(how.stopWhenFinished);
    if (how.progressInterval != null) {
      request.setProgressInterval(Times.toProto(how.progressInterval));
    }
    if (how.heartbeatInterval != null) {
      request.setHeartbeatInterval(Times.toProto(how.heartbeatInterval));
    }
    if (cursor != null) {
      request.setResumeAfter(cursor);
    } else if (fromNow) {
      request.setFromNow(WatchJobsRequest.FromNow.getDefaultInstance());
    }
    return request.build();
  }

  /** The next value of the frames so far, null if there is none. The one before is done. */
  Value next() {
    take(told);
    told = null;
    for (Step step = steps.poll(); step != null; step = steps.poll()) {
      boolean isRepeated = step.value() instanceof Value.Event && !isNews(step.cursor());
      if (step.value() != null && !isRepeated) {
        told = step.cursor();
        return step.value();
      }
      take(step.cursor());
    }
    return null;
  }

  /** Takes a frame; one of a kind newer than this client says nothing. */
  void frame(WatchJobsResponse frame) {
    isHeard = true;
    away = Duration.ZERO;
    switch (frame.getFrameCase()) {
      case OPENED -> heartbeat(Times.of(frame.getOpened().getHeartbeatInterval()));
      case SNAPSHOT -> gathered.addAll(frame.getSnapshot().getJobsList());
      case SNAPSHOT_END -> steps.add(new Step(whole(frame.getCursor()), null));
      case EVENTS -> frame.getEvents().getEventsList().forEach(event -> event(frame, event));
      case PROGRESS ->
          frame.getProgress().getSamplesList().stream()
              .map(sample -> new Value.Progress(sample.getJobId(), sample.getProgress()))
              .forEach(progress -> steps.add(new Step(progress, null)));
      case CLOSING -> closing(frame.getClosing());
      default -> {}
    }
    if (frame.hasCursor()) {
      steps.add(new Step(null, frame.getCursor()));
    }
  }

  private void heartbeat(Duration beat) {
    if (!beat.isNegative() && !beat.isZero()) {
      silence = Times.max(beat, HEARTBEAT_MIN).multipliedBy(HEARTBEATS_MISSED);
    }
  }

  private void event(WatchJobsResponse frame, JobEvent event) {
    String history = frame.getCursor().getHistoryId();
    var at = Cursor.newBuilder().setHistoryId(history).setRevision(event.getRevision()).build();
    steps.add(new Step(new Value.Event(event, at), at));
  }

  private Value whole(Cursor at) {
    List<Job> jobs = List.copyOf(gathered);
    gathered = new ArrayList<>();
    boolean isLost = isResyncing;
    isResyncing = false;
    return isLost ? new Value.Resynced(jobs, at) : new Value.Snapshot(jobs, at);
  }

  private void closing(WatchClosing closing) {
    retryDelay = Times.max(Duration.ZERO, Times.of(closing.getRetryDelay()));
    isFinished = closing.getReason() == WatchCloseReason.WATCH_CLOSE_REASON_FINISHED;
  }

  private boolean isNews(Cursor other) {
    return cursor == null || other.getRevision() > cursor.getRevision();
  }

  private void take(Cursor other) {
    if (other != null && isNews(other)) {
      cursor = other;
    }
  }

  /** The stream ended without an error: the time until the next one. */
  Duration closed(Duration lived) {
    var ended = "the daemon ends every watch that is opened";
    return again(new LongshoreException.ConnectionFailed(ended, null), lived);
  }

  /** The time until the next stream; throws the error again if none would help. */
  Duration failed(LongshoreException error, Duration lived) {
    if (isHistoryGone(error) && cursor != null) {
      if (how.strict) {
        throw new LongshoreException.HistoryLost(error);
      }
      cursor = null;
      fromNow = false;
      isResyncing = true;
      return Duration.ZERO;
    }
    if (error instanceof ServiceException.LimitReached limit && limit.retryDelay().isPresent()) {
      retryDelay = limit.retryDelay().get();
    } else if (!(error instanceof LongshoreException.ConnectionFailed
        || error instanceof ServiceException.Unavailable
        || error instanceof LongshoreException.DeadlineExceeded)) {
      throw error;
    }
    return again(error, lived);
  }

  private Duration again(LongshoreException error, Duration lived) {
    if (lived.compareTo(HEALTHY) >= 0) {
      failures = 0;
    }
    Duration ceiling = Times.ceiling(failures, BACKOFF_MAX);
    failures = Math.min(failures + 1, Times.DOUBLINGS_MAX);
    Duration delay = retryDelay.plus(Times.jittered(ceiling, chance.getAsDouble()));
    away = away.plus(isHeard ? delay : lived.plus(delay));
    if (how.patience != null && away.compareTo(how.patience) > 0) {
      throw error;
    }
    return delay;
  }

  /** By the code: a newer daemon may have more reasons for it. */
  private static boolean isHistoryGone(LongshoreException error) {
    return error instanceof ServiceException.HistoryGone
        || error instanceof ServiceException answer && answer.code() == Status.Code.OUT_OF_RANGE;
  }
}
