#include "watcher.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace longshore {
namespace internal {
namespace {

// Reconnecting: full jitter between 0 and a ceiling that doubles.
constexpr Seconds kWatchBackoff(0.1);
constexpr Seconds kWatchBackoffMax(10);
// 0.1 s doubled so often is past the longest backoff.
constexpr int kDoublings = 7;
// A stream that lived so long starts the backoff afresh.
constexpr Seconds kHealthy(30);
// Silence for so many heartbeats: the stream is dead.
constexpr int kHeartbeatsMissed = 3;
// A daemon beats once a second at most; what claims more is not believed.
constexpr Seconds kHeartbeatMin(0.1);
// Until `opened` has said what the heartbeat is.
constexpr Seconds kFirstFrame(30);

Seconds Silence(const v1::WatchOpened& opened) {
  const Seconds beat = FromDuration(opened.heartbeat_interval());
  if (beat <= Seconds(0)) return kFirstFrame;
  return kHeartbeatsMissed * std::max(beat, kHeartbeatMin);
}

// By the code: a newer daemon may have more reasons for it.
bool IsHistoryGone(const Error& error) {
  return error.is_answer() && (error.kind == ErrorKind::kHistoryGone ||
                               error.code == grpc::StatusCode::OUT_OF_RANGE);
}

bool IsTransient(ErrorKind kind) {
  return kind == ErrorKind::kConnectionFailed || kind == ErrorKind::kUnavailable ||
         kind == ErrorKind::kDeadlineExceeded;
}

}  // namespace

Watcher::Watcher(WatchOptions options, std::function<double()> chance)
    : options_(std::move(options)), chance_(std::move(chance)), silence_(kFirstFrame) {}

v1::WatchJobsRequest Watcher::Request() {
  gathered_.clear();
  retry_delay_ = Seconds(0);
  has_heard_ = false;
  silence_ = kFirstFrame;
  v1::WatchJobsRequest request;
  *request.mutable_selector() = options_.selector;
  request.set_omit_progress(options_.omit_progress);
  request.set_stop_when_finished(options_.stop_when_finished.value_or(false));
  if (const auto& interval = options_.progress_interval) {
    *request.mutable_progress_interval() = ToDuration(*interval);
  }
  if (const auto& interval = options_.heartbeat_interval) {
    *request.mutable_heartbeat_interval() = ToDuration(*interval);
  }
  if (options_.cursor) {
    *request.mutable_resume_after() = *options_.cursor;
  } else if (options_.from_now) {
    request.mutable_from_now();
  }
  return request;
}

void Watcher::Take(Frame frame) {
  has_heard_ = true;
  away_ = Seconds(0);
  switch (frame.frame_case()) {
    case Frame::kOpened:
      silence_ = Silence(frame.opened());
      break;
    case Frame::kSnapshot: {
      auto& jobs = *frame.mutable_snapshot()->mutable_jobs();
      std::move(jobs.begin(), jobs.end(), std::back_inserter(gathered_));
      break;
    }
    case Frame::kSnapshotEnd:
      TakeSnapshot(frame.cursor());
      break;
    case Frame::kEvents:
      TakeEvents(frame);
      break;
    case Frame::kProgress:
      for (auto& sample : *frame.mutable_progress()->mutable_samples()) {
        steps_.push_back({std::move(sample), std::nullopt});
      }
      break;
    case Frame::kClosing:
      retry_delay_ = std::max(Seconds(0), FromDuration(frame.closing().retry_delay()));
      is_finished_ = frame.closing().reason() == v1::WATCH_CLOSE_REASON_FINISHED;
      break;
    default:
      // A bookmark, or a kind of frame that is newer than this client.
      break;
  }
  if (frame.has_cursor()) steps_.push_back({std::nullopt, frame.cursor()});
}

void Watcher::TakeSnapshot(const v1::Cursor& cursor) {
  Snapshot whole{std::move(gathered_), cursor};
  gathered_.clear();
  Value value = std::move(whole);
  if (is_resyncing_) value = Resynced{std::move(std::get<Snapshot>(value))};
  is_resyncing_ = false;
  steps_.push_back({std::move(value), std::nullopt});
}

void Watcher::TakeEvents(Frame& frame) {
  std::optional<std::int64_t> last;
  if (options_.cursor) last = options_.cursor->revision();
  for (auto& change : *frame.mutable_events()->mutable_events()) {
    if (last && change.revision() <= *last) continue;
    last = change.revision();
    v1::Cursor cursor;
    cursor.set_history_id(frame.cursor().history_id());
    cursor.set_revision(*last);
    steps_.push_back({Event{std::move(change), cursor}, cursor});
  }
}

std::optional<Value> Watcher::Next() {
  if (taken_) Move(*taken_);
  taken_.reset();
  while (!steps_.empty()) {
    Step step = std::move(steps_.front());
    steps_.pop_front();
    if (step.value) {
      taken_ = std::move(step.cursor);
      return std::move(step.value);
    }
    Move(*step.cursor);
  }
  return std::nullopt;
}

void Watcher::Move(const v1::Cursor& cursor) {
  const auto& now = options_.cursor;
  if (!now || cursor.revision() > now->revision()) options_.cursor = cursor;
}

Result<Seconds> Watcher::Closed(Seconds lived) {
  return Again(
      {ErrorKind::kConnectionFailed, "the daemon ends every watch that is opened"},
      lived);
}

Result<Seconds> Watcher::Failed(const Error& error, Seconds lived) {
  if (IsHistoryGone(error) && options_.cursor) {
    if (options_.strict) return Error(ErrorKind::kHistoryLost, error.message);
    options_.cursor.reset();
    options_.from_now = false;
    is_resyncing_ = true;
    return Seconds(0);
  }
  if (error.kind == ErrorKind::kLimitReached && error.retry_delay) {
    retry_delay_ = *error.retry_delay;
  } else if (!IsTransient(error.kind)) {
    return error;
  }
  return Again(error, lived);
}

Result<Seconds> Watcher::Again(const Error& error, Seconds lived) {
  if (lived >= kHealthy) failures_ = 0;
  const Seconds ceiling =
      std::min(kWatchBackoffMax, kWatchBackoff * std::exp2(failures_));
  failures_ = std::min(failures_ + 1, kDoublings);
  const Seconds delay = retry_delay_ + ceiling * chance_();
  away_ += has_heard_ ? delay : lived + delay;
  if (options_.patience && away_ > *options_.patience) return error;
  return delay;
}

}  // namespace internal

namespace {

std::string Short(const std::string& name, std::string_view prefix, int number) {
  return name.empty() ? std::to_string(number) : name.substr(prefix.size());
}

}  // namespace

std::string ShortName(v1::JobEventKind kind) {
  return Short(v1::JobEventKind_Name(kind), "JOB_EVENT_KIND_", kind);
}

std::string ShortName(v1::JobState state) {
  return Short(v1::JobState_Name(state), "JOB_STATE_", state);
}

}  // namespace longshore
