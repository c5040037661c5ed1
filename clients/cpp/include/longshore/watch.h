// A watch that resumes by itself: values to loop over.
#ifndef LONGSHORE_WATCH_H_
#define LONGSHORE_WATCH_H_

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "longshore/result.h"
#include "longshore/v1/watch.pb.h"

namespace longshore {

namespace internal {
class Stream;
}  // namespace internal

// One durable change of one job. `cursor` includes it: saved together with what the
// change caused, every change takes effect exactly once, even across a crash.
struct Event {
  v1::JobEvent change;
  v1::Cursor cursor;
};

// The newest progress of one job; not history, may skip values.
using Progress = v1::ProgressSample;

// Every job that matches, at the start of the watch.
struct Snapshot {
  std::vector<v1::Job> jobs;
  v1::Cursor cursor;
};

// History was lost; these are the jobs now. What is not here is gone.
struct Resynced : Snapshot {};

using Value = std::variant<Event, Progress, Snapshot, Resynced>;

struct WatchOptions {
  v1::JobSelector selector;          // which jobs; all
  std::optional<v1::Cursor> cursor;  // resume after it; without, begin with a Snapshot
  bool from_now = false;             // begin with the next change, without a Snapshot
  bool strict = false;               // lost history is kHistoryLost, not a Resynced
  bool omit_progress = false;        // durable changes only
  // End once every job selected has ended. A job's own watch does unless told.
  std::optional<bool> stop_when_finished;
  std::optional<Seconds> progress_interval;   // between samples of one job; 1s
  std::optional<Seconds> heartbeat_interval;  // three missed: a new stream; 15s
  std::optional<Seconds> patience;  // give up when the daemon was away so long; never
};

// Values one by one, for one thread at a time. Its destruction ends the call to the
// daemon: leave the loop in any way, and let go of the watch.
class Watch {
 public:
  explicit Watch(std::shared_ptr<internal::Stream> stream);
  Watch(Watch&&) = default;
  Watch& operator=(Watch&&) = default;

  // The next value, the error that ends the watch, or nullopt after the end.
  std::optional<Result<Value>> Next();

  Iterator<Watch, Value> begin() { return Iterator<Watch, Value>(this); }
  Iterator<Watch, Value>::End end() { return {}; }

  // Everything up to here was handed out and the next value asked for. Any thread.
  std::optional<v1::Cursor> cursor() const;

  // End the watch; from any thread, at any time.
  void Close();

 private:
  std::shared_ptr<internal::Stream> stream_;
};

// CREATED; the number of a kind that is newer than this client.
std::string ShortName(v1::JobEventKind kind);
// RUNNING; the number of a state that is newer than this client.
std::string ShortName(v1::JobState state);

}  // namespace longshore

#endif  // LONGSHORE_WATCH_H_
