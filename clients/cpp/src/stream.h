// What a Watch holds: drives a Watcher with the frames of one call after another.
#ifndef LONGSHORE_SRC_STREAM_H_
#define LONGSHORE_SRC_STREAM_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "connection.h"
#include "watcher.h"

namespace longshore::internal {

class Stream {
 public:
  Stream(std::shared_ptr<Connection> connection, WatchOptions options);
  ~Stream();

  std::optional<Result<Value>> Next();
  std::optional<v1::Cursor> cursor() const;
  void Close();

 private:
  class Call;

  std::optional<Value> Pending();
  std::optional<Error> Advance();
  std::optional<Error> Begin();
  std::optional<Error> End(const std::optional<Error>& error);
  void Rest(Seconds delay);
  void Drop();
  bool IsClosed() const;

  const std::shared_ptr<Connection> connection_;
  // Of the reader's thread.
  Seconds began_{0};
  mutable std::mutex mutex_;
  // Guarded by mutex_: what other threads ask and end.
  Watcher watcher_;
  std::unique_ptr<Call> call_;
  bool is_closed_ = false;
  std::condition_variable closed_;
};

}  // namespace longshore::internal

#endif  // LONGSHORE_SRC_STREAM_H_
