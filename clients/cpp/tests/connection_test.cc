// Retries: when another try makes sense, and after how long.

#include "connection.h"

#include <gtest/gtest.h>

namespace longshore::internal {
namespace {

Error After(ErrorKind kind, double delay) {
  Error error(kind, "come back");
  error.retry_delay = Seconds(delay);
  return error;
}

TEST(Retries, WaitTwiceAsLongEachTimeAndOneSecondAtMost) {
  const Error lost(ErrorKind::kConnectionFailed, "lost");
  const double ceilings[] = {0.1, 0.2, 0.4, 0.8, 1.0, 1.0};
  for (int attempt = 1; attempt <= 6; ++attempt) {
    const auto delay = RetryDelay(lost, attempt);
    ASSERT_TRUE(delay.has_value());
    EXPECT_GE(delay->count(), ceilings[attempt - 1] / 2 - 1e-9);
    EXPECT_LE(delay->count(), ceilings[attempt - 1] + 1e-9);
  }
}

TEST(Retries, HonourWhatTheDaemonSays) {
  EXPECT_EQ(RetryDelay(After(ErrorKind::kLimitReached, 2), 1), Seconds(2));
  EXPECT_EQ(RetryDelay(After(ErrorKind::kLimitReached, 0), 1), Seconds(0.1));
}

TEST(Retries, TellTheCallerInsteadOfALongWait) {
  EXPECT_FALSE(RetryDelay(After(ErrorKind::kUnavailable, 5.5), 1).has_value());
}

TEST(Retries, AreNotMadeWhereTheyWouldNotHelp) {
  for (const auto kind : {ErrorKind::kNotFound, ErrorKind::kTargetBusy,
                          ErrorKind::kLimitReached, ErrorKind::kDeadlineExceeded,
                          ErrorKind::kBadArgument, ErrorKind::kServiceError}) {
    EXPECT_FALSE(RetryDelay(Error(kind, "no"), 1).has_value()) << KindName(kind);
  }
  EXPECT_FALSE(RetryDelay(After(ErrorKind::kNoSpace, 1), 1).has_value());
}

TEST(RequestIds, AreUuidsOfVersion7AndNeverTheSame) {
  const std::string id = RequestId();
  ASSERT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '7');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef-"), std::string::npos);
  EXPECT_NE(id, RequestId());
}

TEST(Durations, KeepFractionsAndEndWhereTheirTypeEnds) {
  const auto quarter = ToDuration(Seconds(1.25));
  EXPECT_EQ(quarter.seconds(), 1);
  EXPECT_EQ(quarter.nanos(), 250'000'000);
  EXPECT_EQ(ToDuration(Seconds(-0.5)).nanos(), -500'000'000);
  EXPECT_EQ(ToDuration(Seconds(1e300)).seconds(), 315'576'000'000);
  EXPECT_EQ(FromDuration(quarter), Seconds(1.25));
}

}  // namespace
}  // namespace longshore::internal
