#include "stream.h"

#include <grpcpp/support/async_stream.h>

#include <algorithm>

namespace longshore {
namespace internal {
namespace {

// Longer than any wait that is meant, short of what clocks overflow at.
constexpr Seconds kDay(86'400);

// How long a Close may go unnoticed while the channel connects.
constexpr Seconds kSlice(0.05);

}  // namespace

// One call to its end. At most one operation is under way, and none is left behind.
class Stream::Call {
 public:
  enum class Got { kFrame, kEnd, kSilence };

  ~Call() {
    Cancel();
    if (is_under_way_) Await(gpr_inf_future(GPR_CLOCK_MONOTONIC));
    if (!is_finished_) Finish();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) continue;
  }

  std::optional<Error> Start(Connection& connection,
                             const v1::WatchJobsRequest& request) {
    auto error = connection.Prepare(context_);
    if (!error)
      reader_ = connection.watches->AsyncWatchJobs(&context_, request, &queue_, this);
    is_finished_ = error.has_value();
    is_under_way_ = !error;
    return error;
  }

  Got Read(Frame* frame, Seconds silence) {
    const gpr_timespec until = In(std::min(silence, kDay));
    if (is_under_way_) {
      const Got started = Await(until);
      if (started != Got::kFrame) return started;
    }
    reader_->Read(frame, this);
    is_under_way_ = true;
    return Await(until);
  }

  grpc::Status Finish() {
    grpc::Status status;
    reader_->Finish(&status, this);
    Await(gpr_inf_future(GPR_CLOCK_MONOTONIC));
    is_finished_ = true;
    return status;
  }

  void Cancel() { context_.TryCancel(); }

 private:
  Got Await(gpr_timespec until) {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, until) == grpc::CompletionQueue::TIMEOUT) {
      return Got::kSilence;
    }
    is_under_way_ = false;
    return ok ? Got::kFrame : Got::kEnd;
  }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReader<Frame>> reader_;
  bool is_under_way_ = false;
  bool is_finished_ = true;
};

Stream::Stream(std::shared_ptr<Connection> connection, WatchOptions options)
    : connection_(std::move(connection)), watcher_(std::move(options), Chance) {}

Stream::~Stream() = default;

std::optional<Result<Value>> Stream::Next() {
  std::optional<Result<Value>> next;
  while (!IsClosed() && !next) {
    if (auto value = Pending()) {
      next.emplace(*std::move(value));
    } else if (watcher_.is_finished()) {
      Close();
    } else if (auto error = Advance()) {
      next.emplace(*std::move(error));
      Close();
    }
  }
  if (IsClosed()) Drop();
  return next;
}

std::optional<Value> Stream::Pending() {
  std::lock_guard lock(mutex_);
  return watcher_.Next();
}

// One frame for the watcher; or a new call, or the end of one and the wait after it.
std::optional<Error> Stream::Advance() {
  if (!call_) return Begin();
  Frame frame;
  switch (call_->Read(&frame, watcher_.silence())) {
    case Call::Got::kFrame: {
      std::lock_guard lock(mutex_);
      watcher_.Take(std::move(frame));
      return std::nullopt;
    }
    case Call::Got::kSilence:
      return End(Error(ErrorKind::kConnectionFailed, "the watch has gone silent"));
    case Call::Got::kEnd:
      break;
  }
  const grpc::Status status = call_->Finish();
  if (status.ok()) return End(std::nullopt);
  return End(Error::FromCall(status));
}

std::optional<Error> Stream::Begin() {
  std::lock_guard lock(mutex_);
  if (is_closed_) return std::nullopt;
  began_ = Now();
  call_ = std::make_unique<Call>();
  return call_->Start(*connection_, watcher_.Request());
}

std::optional<Error> Stream::End(const std::optional<Error>& error) {
  const Seconds lived = Now() - began_;
  Drop();
  std::unique_lock lock(mutex_);
  if (is_closed_) return std::nullopt;
  const auto delay = error ? watcher_.Failed(*error, lived) : watcher_.Closed(lived);
  if (!delay) return delay.error();
  lock.unlock();
  Rest(std::min(*delay, kDay));
  return std::nullopt;
}

void Stream::Rest(Seconds delay) {
  const Seconds until = Now() + delay;
  bool is_connected = false;
  while (!is_connected && Now() < until && !IsClosed()) {
    is_connected = connection_->AwaitWatches(std::min(kSlice, until - Now()));
  }
  std::unique_lock lock(mutex_);
  closed_.wait_for(lock, until - Now(), [this] { return is_closed_; });
}

// Ends the call; not under the lock, since that waits for what is under way.
void Stream::Drop() {
  std::unique_ptr<Call> ended;
  std::lock_guard lock(mutex_);
  ended.swap(call_);
}

bool Stream::IsClosed() const {
  std::lock_guard lock(mutex_);
  return is_closed_;
}

std::optional<v1::Cursor> Stream::cursor() const {
  std::lock_guard lock(mutex_);
  return watcher_.cursor();
}

void Stream::Close() {
  std::lock_guard lock(mutex_);
  is_closed_ = true;
  if (call_) call_->Cancel();
  closed_.notify_all();
}

}  // namespace internal

Watch::Watch(std::shared_ptr<internal::Stream> stream) : stream_(std::move(stream)) {}

std::optional<Result<Value>> Watch::Next() { return stream_->Next(); }

std::optional<v1::Cursor> Watch::cursor() const { return stream_->cursor(); }

void Watch::Close() { stream_->Close(); }

}  // namespace longshore
