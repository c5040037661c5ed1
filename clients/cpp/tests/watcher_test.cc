// The watch without I/O: cursors, duplicates, lost history, coming back.

#include "watcher.h"

#include <gtest/gtest.h>

namespace longshore::internal {
namespace {

v1::Cursor At(std::int64_t revision) {
  v1::Cursor cursor;
  cursor.set_history_id("history");
  cursor.set_revision(revision);
  return cursor;
}

Frame Whole(std::int64_t revision) {
  Frame frame;
  frame.mutable_snapshot_end();
  *frame.mutable_cursor() = At(revision);
  return frame;
}

Frame Changes(std::initializer_list<std::int64_t> revisions) {
  Frame frame;
  for (const auto revision : revisions) {
    frame.mutable_events()->add_events()->set_revision(revision);
    *frame.mutable_cursor() = At(revision);
  }
  return frame;
}

Frame Closing(v1::WatchCloseReason reason, double delay = 0) {
  Frame frame;
  frame.mutable_closing()->set_reason(reason);
  *frame.mutable_closing()->mutable_retry_delay() = ToDuration(Seconds(delay));
  return frame;
}

Watcher Make(WatchOptions options = {}) {
  return Watcher(std::move(options), [] { return 1.0; });
}

Error Gone() {
  Error error(ErrorKind::kHistoryGone, "compacted");
  error.code = grpc::OUT_OF_RANGE;
  return error;
}

std::vector<std::int64_t> Revisions(Watcher& watcher) {
  std::vector<std::int64_t> found;
  while (auto value = watcher.Next()) {
    found.push_back(std::get<Event>(*value).change.revision());
  }
  return found;
}

TEST(Watcher, ASnapshotInPiecesIsOneValue) {
  auto watcher = Make();
  EXPECT_EQ(watcher.Request().start_case(), v1::WatchJobsRequest::START_NOT_SET);
  for (const char* id : {"a", "b"}) {
    Frame piece;
    piece.mutable_snapshot()->add_jobs()->set_job_id(id);
    watcher.Take(piece);
    EXPECT_FALSE(watcher.Next().has_value());
  }
  watcher.Take(Whole(5));
  const auto value = watcher.Next();
  const auto& snapshot = std::get<Snapshot>(*value);
  ASSERT_EQ(snapshot.jobs.size(), 2u);
  EXPECT_EQ(snapshot.jobs[1].job_id(), "b");
  EXPECT_EQ(snapshot.cursor.revision(), 5);
}

TEST(Watcher, ASnapshotThatWasCutBeginsAgain) {
  auto watcher = Make();
  Frame piece;
  piece.mutable_snapshot()->add_jobs();
  watcher.Take(piece);
  EXPECT_TRUE(watcher.Failed({ErrorKind::kConnectionFailed, "cut"}, Seconds(0)).ok());
  watcher.Request();
  watcher.Take(piece);
  watcher.Take(Whole(5));
  EXPECT_EQ(std::get<Snapshot>(*watcher.Next()).jobs.size(), 1u);
}

TEST(Watcher, TheCursorMovesWhenTheNextValueIsAskedFor) {
  auto watcher = Make();
  watcher.Take(Whole(5));
  watcher.Take(Changes({6, 7}));
  watcher.Next();
  EXPECT_FALSE(watcher.cursor().has_value());
  watcher.Next();
  EXPECT_EQ(watcher.cursor()->revision(), 5);
  watcher.Next();
  EXPECT_EQ(watcher.cursor()->revision(), 6);
  EXPECT_FALSE(watcher.Next().has_value());
  EXPECT_EQ(watcher.cursor()->revision(), 7);
  EXPECT_EQ(watcher.Request().resume_after().revision(), 7);
}

TEST(Watcher, WhatWasSeenIsDropped) {
  WatchOptions options;
  options.cursor = At(5);
  auto watcher = Make(options);
  watcher.Take(Changes({4, 5, 6, 6, 7}));
  EXPECT_EQ(Revisions(watcher), (std::vector<std::int64_t>{6, 7}));
  watcher.Take(Changes({7, 8}));
  EXPECT_EQ(Revisions(watcher), (std::vector<std::int64_t>{8}));
}

TEST(Watcher, ABookmarkAndAFrameNewerThanThisClientMoveTheCursorOnly) {
  auto watcher = Make();
  Frame bookmark;
  bookmark.mutable_bookmark();
  *bookmark.mutable_cursor() = At(9);
  watcher.Take(bookmark);
  EXPECT_FALSE(watcher.Next().has_value());
  EXPECT_EQ(watcher.cursor()->revision(), 9);
  Frame newer;
  *newer.mutable_cursor() = At(10);
  watcher.Take(newer);
  EXPECT_FALSE(watcher.Next().has_value());
  EXPECT_EQ(watcher.cursor()->revision(), 10);
}

TEST(Watcher, LostHistoryIsAValue) {
  WatchOptions options;
  options.cursor = At(5);
  auto watcher = Make(options);
  EXPECT_EQ(*watcher.Failed(Gone(), Seconds(0)), Seconds(0));
  EXPECT_EQ(watcher.Request().start_case(), v1::WatchJobsRequest::START_NOT_SET);
  watcher.Take(Whole(20));
  EXPECT_TRUE(std::holds_alternative<Resynced>(*watcher.Next()));
}

TEST(Watcher, LostHistoryEndsAStrictWatch) {
  WatchOptions options;
  options.cursor = At(5);
  options.strict = true;
  auto watcher = Make(options);
  const auto delay = watcher.Failed(Gone(), Seconds(0));
  ASSERT_FALSE(delay.ok());
  EXPECT_EQ(delay.error().kind, ErrorKind::kHistoryLost);
}

TEST(Watcher, ComesBackLaterEachTimeAndSoonerAfterAHealthyStream) {
  auto watcher = Make();
  const Error cut(ErrorKind::kConnectionFailed, "cut");
  for (const double ceiling : {0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0}) {
    EXPECT_NEAR(watcher.Failed(cut, Seconds(1))->count(), ceiling, 1e-9);
  }
  EXPECT_NEAR(watcher.Failed(cut, Seconds(30))->count(), 0.1, 1e-9);
}

TEST(Watcher, APlannedEndSaysWhenToComeBack) {
  auto watcher = Make();
  watcher.Request();
  watcher.Take(Closing(v1::WATCH_CLOSE_REASON_MAX_AGE, 2));
  EXPECT_FALSE(watcher.is_finished());
  EXPECT_NEAR(watcher.Closed(Seconds(60))->count(), 2.1, 1e-9);
}

TEST(Watcher, AFinishedWatchTakesItsLastCursor) {
  auto watcher = Make();
  Frame closing = Closing(v1::WATCH_CLOSE_REASON_FINISHED);
  *closing.mutable_cursor() = At(12);
  watcher.Take(closing);
  EXPECT_FALSE(watcher.Next().has_value());
  EXPECT_TRUE(watcher.is_finished());
  EXPECT_EQ(watcher.cursor()->revision(), 12);
}

TEST(Watcher, ARefusalEndsItAndALimitWithADelayDoesNot) {
  auto watcher = Make();
  const Error denied(ErrorKind::kPermissionDenied, "no");
  EXPECT_FALSE(watcher.Failed(denied, Seconds(0)).ok());
  Error limit(ErrorKind::kLimitReached, "later");
  EXPECT_FALSE(watcher.Failed(limit, Seconds(0)).ok());
  limit.retry_delay = Seconds(1);
  EXPECT_NEAR(watcher.Failed(limit, Seconds(0))->count(), 1.1, 1e-9);
}

TEST(Watcher, PatienceCountsFromTheLastFrame) {
  WatchOptions options;
  options.patience = Seconds(1);
  auto watcher = Make(options);
  const Error cut(ErrorKind::kConnectionFailed, "cut");
  watcher.Request();
  EXPECT_TRUE(watcher.Failed(cut, Seconds(0.5)).ok());
  watcher.Request();
  watcher.Take(Whole(1));
  EXPECT_TRUE(watcher.Failed(cut, Seconds(0.5)).ok());
  watcher.Request();
  EXPECT_FALSE(watcher.Failed(cut, Seconds(0.8)).ok());
}

TEST(Watcher, ThreeMissedHeartbeatsAreSilence) {
  auto watcher = Make();
  watcher.Request();
  EXPECT_EQ(watcher.silence(), Seconds(30));
  Frame frame;
  *frame.mutable_opened()->mutable_heartbeat_interval() = ToDuration(Seconds(2));
  watcher.Take(frame);
  EXPECT_EQ(watcher.silence(), Seconds(6));
  *frame.mutable_opened()->mutable_heartbeat_interval() = ToDuration(Seconds(0.001));
  watcher.Take(frame);
  EXPECT_NEAR(watcher.silence().count(), 0.3, 1e-9);
  watcher.Request();
  EXPECT_EQ(watcher.silence(), Seconds(30));
}

}  // namespace
}  // namespace longshore::internal
