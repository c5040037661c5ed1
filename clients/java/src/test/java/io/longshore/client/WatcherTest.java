package io.longshore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.rpc.RetryInfo;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import io.longshore.v1.Bookmark;
import io.longshore.v1.Cursor;
import io.longshore.v1.Job;
import io.longshore.v1.JobEvent;
import io.longshore.v1.JobEventBatch;
import io.longshore.v1.ProgressBatch;
import io.longshore.v1.ProgressSample;
import io.longshore.v1.SnapshotChunk;
import io.longshore.v1.SnapshotEnd;
import io.longshore.v1.WatchClosing;
import io.longshore.v1.WatchJobsResponse;
import io.longshore.v1.WatchOpened;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WatcherTest {
  private static final LongshoreException LOST =
      new LongshoreException.ConnectionFailed("lost", null);

  /** With the longest jitter. */
  private static Watcher watcher(WatchOptions how) {
    return new Watcher(how, () -> 1.0);
  }

  private static Cursor at(long revision) {
    return Cursor.newBuilder().setHistoryId("h").setRevision(revision).build();
  }

  private static WatchJobsResponse.Builder frame(long revision) {
    return WatchJobsResponse.newBuilder().setCursor(at(revision));
  }

  private static WatchJobsResponse chunk(String... ids) {
    var chunk = SnapshotChunk.newBuilder();
    List.of(ids).forEach(id -> chunk.addJobs(Job.newBuilder().setJobId(id)));
    return WatchJobsResponse.newBuilder().setSnapshot(chunk).build();
  }

  private static WatchJobsResponse snapshotEnd(long revision) {
    return frame(revision).setSnapshotEnd(SnapshotEnd.getDefaultInstance()).build();
  }

  private static WatchJobsResponse events(long... revisions) {
    var batch = JobEventBatch.newBuilder();
    for (long revision : revisions) {
      batch.addEvents(JobEvent.newBuilder().setRevision(revision));
    }
    return frame(revisions[revisions.length - 1]).setEvents(batch).build();
  }

  private static WatchJobsResponse closing(int reason, Duration delay) {
    var closing =
        WatchClosing.newBuilder().setReasonValue(reason).setRetryDelay(Times.toProto(delay));
    return WatchJobsResponse.newBuilder().setClosing(closing).build();
  }

  private static LongshoreException refusal(Code code, String reason) {
    var retry = RetryInfo.newBuilder().setRetryDelay(Times.toProto(Duration.ofSeconds(3)));
    var answer = ErrorsTest.refusal(code, reason, retry.build());
    return Errors.typed(StatusProto.toStatusRuntimeException(answer));
  }

  private static List<Value> told(Watcher watcher, WatchJobsResponse... frames) {
    List<Value> values = new ArrayList<>();
    for (WatchJobsResponse frame : frames) {
      watcher.frame(frame);
      for (Value value = watcher.next(); value != null; value = watcher.next()) {
        values.add(value);
      }
    }
    return values;
  }

  private static List<Long> revisions(List<Value> values) {
    return values.stream().map(value -> ((Value.Event) value).revision()).toList();
  }

  @Test
  void aSnapshotIsToldWholeAndOnce() {
    Watcher watcher = watcher(WatchOptions.all());
    assertEquals(List.of(), told(watcher, chunk("a", "b"), chunk("c")));
    assertNull(watcher.cursor());
    var snapshot = (Value.Snapshot) told(watcher, snapshotEnd(7)).get(0);
    assertEquals(3, snapshot.jobs().size());
    assertEquals(at(7), watcher.cursor());
  }

  @Test
  void aSnapshotThatWasCutIsForgotten() {
    Watcher watcher = watcher(WatchOptions.all());
    told(watcher, chunk("a"));
    watcher.request();
    var snapshot = (Value.Snapshot) told(watcher, chunk("b"), snapshotEnd(1)).get(0);
    assertEquals("b", snapshot.jobs().get(0).getJobId());
    assertEquals(1, snapshot.jobs().size());
  }

  @Test
  void whatWasToldIsNotToldAgain() {
    Watcher watcher = watcher(WatchOptions.all().after(at(3)));
    assertEquals(List.of(4L, 6L), revisions(told(watcher, events(2, 3, 4), events(4, 4, 6))));
  }

  @Test
  void theCursorMovesWhenTheNextValueIsAskedFor() {
    Watcher watcher = watcher(WatchOptions.all().after(at(1)));
    watcher.frame(events(2, 3));
    watcher.next();
    assertEquals(at(1), watcher.cursor());
    watcher.next();
    assertEquals(at(2), watcher.cursor());
    assertNull(watcher.next());
    assertEquals(at(3), watcher.cursor());
  }

  @Test
  void aBookmarkMovesTheCursorAndSaysNothing() {
    Watcher watcher = watcher(WatchOptions.all().after(at(1)));
    var bookmark = frame(9).setBookmark(Bookmark.getDefaultInstance()).build();
    assertEquals(List.of(), told(watcher, bookmark));
    assertEquals(at(9), watcher.cursor());
  }

  @Test
  void aFrameNewerThanThisClientSaysNothing() {
    Watcher watcher = watcher(WatchOptions.all().after(at(1)));
    assertEquals(List.of(), told(watcher, frame(2).build()));
    assertEquals(at(2), watcher.cursor());
  }

  @Test
  void progressIsNotHistory() {
    Watcher watcher = watcher(WatchOptions.all());
    var batch = ProgressBatch.newBuilder();
    batch.addSamples(ProgressSample.newBuilder().setJobId("a"));
    var values = told(watcher, WatchJobsResponse.newBuilder().setProgress(batch).build());
    assertEquals("a", ((Value.Progress) values.get(0)).jobId());
    assertNull(watcher.cursor());
  }

  @ParameterizedTest
  @CsvSource({"2, UPDATED", "77, 77"})
  void anEventOfAKindNewerThanThisClientIsANumber(int number, String name) {
    var event = JobEvent.newBuilder().setKindValue(number).build();
    assertEquals(name, new Value.Event(event, at(1)).kind());
  }

  @ParameterizedTest
  @CsvSource({"15000, 45000", "1, 300", "0, 30000"})
  void silenceIsThreeHeartbeats(long heartbeat, long silence) {
    Watcher watcher = watcher(WatchOptions.all());
    var opened =
        WatchOpened.newBuilder().setHeartbeatInterval(Times.toProto(Duration.ofMillis(heartbeat)));
    watcher.frame(WatchJobsResponse.newBuilder().setOpened(opened).build());
    assertEquals(Duration.ofMillis(silence), watcher.silence());
  }

  @Test
  void theNextStreamGoesOnAfterTheCursor() {
    Watcher watcher = watcher(WatchOptions.all().fromNow());
    assertTrue(watcher.request().hasFromNow());
    told(watcher, events(5));
    assertEquals(at(5), watcher.request().getResumeAfter());
  }

  @Test
  void optionsAreSentOnlyIfTheyAreGiven() {
    var how = WatchOptions.all().omitProgress().heartbeatInterval(Duration.ofSeconds(1));
    var request = watcher(how).request();
    assertTrue(request.getOmitProgress());
    assertEquals(1, request.getHeartbeatInterval().getSeconds());
    assertFalse(request.hasProgressInterval());
  }

  @Test
  void aPlannedEndIsTheEndOfTheWatch() {
    Watcher watcher = watcher(WatchOptions.all());
    told(watcher, closing(3, Duration.ZERO));
    assertTrue(watcher.isFinished());
  }

  @Test
  void anyOtherPlannedEndIsWaitedForAndResumed() {
    Watcher watcher = watcher(WatchOptions.all());
    told(watcher, closing(77, Duration.ofSeconds(2)));
    assertFalse(watcher.isFinished());
    assertEquals(Duration.ofMillis(2100), watcher.closed(Duration.ofSeconds(1)));
  }

  @Test
  void reconnectingBacksOffToTenSeconds() {
    Watcher watcher = watcher(WatchOptions.all());
    List<Long> delays = new ArrayList<>();
    for (int i = 0; i < 9; i++) {
      delays.add(watcher.failed(LOST, Duration.ZERO).toMillis());
    }
    assertEquals(List.of(100L, 200L, 400L, 800L, 1600L, 3200L, 6400L, 10_000L, 10_000L), delays);
    assertEquals(100, watcher.failed(LOST, Duration.ofSeconds(30)).toMillis());
  }

  @Test
  void theJitterIsFull() {
    Watcher watcher = new Watcher(WatchOptions.all(), () -> 0.0);
    assertEquals(Duration.ZERO, watcher.failed(LOST, Duration.ZERO));
  }

  @Test
  void patienceEndsWithTheTimeThatTheDaemonIsAway() {
    Watcher watcher = watcher(WatchOptions.all().patience(Duration.ofSeconds(1)));
    told(watcher, events(1));
    assertEquals(100, watcher.failed(LOST, Duration.ofHours(1)).toMillis());
    watcher.request();
    var away = Duration.ofMillis(900);
    assertSame(LOST, assertThrows(LongshoreException.class, () -> watcher.failed(LOST, away)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"REVISION_COMPACTED", "A_NEWER_REASON"})
  void historyThatIsGoneIsResynced(String reason) {
    Watcher watcher = watcher(WatchOptions.all().after(at(5)).fromNow());
    var gone = refusal(Code.OUT_OF_RANGE, reason);
    assertEquals(Duration.ZERO, watcher.failed(gone, Duration.ZERO));
    assertFalse(watcher.request().hasResumeAfter() || watcher.request().hasFromNow());
    var values = told(watcher, chunk("a"), snapshotEnd(2), events(3));
    assertEquals(at(2), ((Value.Resynced) values.get(0)).cursor());
    assertEquals(3, ((Value.Event) values.get(1)).revision());
  }

  @Test
  void historyThatIsGoneEndsAStrictWatch() {
    Watcher watcher = watcher(WatchOptions.all().after(at(5)).strict());
    var gone = refusal(Code.OUT_OF_RANGE, "REVISION_COMPACTED");
    assertThrows(
        LongshoreException.HistoryLost.class, () -> watcher.failed(gone, Duration.ZERO));
  }

  @Test
  void whatNoNewStreamWouldHelpEndsTheWatch() {
    var refused = refusal(Code.PERMISSION_DENIED, "PERMISSION_DENIED");
    Watcher watcher = watcher(WatchOptions.all());
    assertSame(
        refused,
        assertThrows(LongshoreException.class, () -> watcher.failed(refused, Duration.ZERO)));
  }

  @Test
  void aLimitThatSaysWhenIsWaitedFor() {
    var limit = refusal(Code.RESOURCE_EXHAUSTED, "WATCH_LIMIT");
    assertInstanceOf(ServiceException.LimitReached.class, limit);
    Watcher watcher = watcher(WatchOptions.all());
    assertEquals(3100, watcher.failed(limit, Duration.ZERO).toMillis());
  }
}
