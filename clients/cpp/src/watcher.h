// A watch that goes on by itself: which request to send, what a frame means, when to
// come back. No I/O: Stream feeds it frames and errors.
#ifndef LONGSHORE_SRC_WATCHER_H_
#define LONGSHORE_SRC_WATCHER_H_

#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "longshore/watch.h"

namespace longshore::internal {

using Frame = v1::WatchJobsResponse;

class Watcher {
 public:
  // `chance` gives the jitter, from 0 to 1.
  Watcher(WatchOptions options, std::function<double()> chance);

  // What to send to open the next stream.
  v1::WatchJobsRequest Request();

  // One frame of it; its values come from Next.
  void Take(Frame frame);
  // The next value, nullopt when a frame is needed. Only now the cursor moves past the
  // value before, so that leaving in between repeats a value rather than losing one.
  std::optional<Value> Next();

  // The stream has ended: seconds until the next one, or why there is none.
  Result<Seconds> Closed(Seconds lived);
  Result<Seconds> Failed(const Error& error, Seconds lived);

  // The server has said all there is to say.
  bool is_finished() const { return is_finished_; }
  // So long without a frame, and the stream is dead.
  Seconds silence() const { return silence_; }
  const std::optional<v1::Cursor>& cursor() const { return options_.cursor; }

 private:
  // What is handed out, if anything, and where the cursor moves after it.
  struct Step {
    std::optional<Value> value;
    std::optional<v1::Cursor> cursor;
  };

  void TakeSnapshot(const v1::Cursor& cursor);
  void TakeEvents(Frame& frame);
  void Move(const v1::Cursor& cursor);
  Result<Seconds> Again(const Error& error, Seconds lived);

  WatchOptions options_;  // its cursor is where we are
  std::function<double()> chance_;
  std::deque<Step> steps_;
  std::optional<v1::Cursor> taken_;  // of the value that was handed out last
  std::vector<v1::Job> gathered_;    // of a snapshot that is not complete
  bool is_resyncing_ = false;
  bool is_finished_ = false;
  bool has_heard_ = false;  // a frame has come on this stream
  int failures_ = 0;
  Seconds silence_;
  Seconds away_{0};         // since streams bring no frame any more
  Seconds retry_delay_{0};  // as the last planned end asked for
};

}  // namespace longshore::internal

#endif  // LONGSHORE_SRC_WATCHER_H_
