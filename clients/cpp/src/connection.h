// The channels to one daemon, and how a call is made: deadlines, retries, who we are.
#ifndef LONGSHORE_SRC_CONNECTION_H_
#define LONGSHORE_SRC_CONNECTION_H_

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <grpc/support/time.h>
#include <grpcpp/channel.h>

#include "longshore/client.h"

namespace longshore::internal {

// Deadlines of single calls. A create looks at files and waits for a disk.
constexpr Seconds kUnary(10);
constexpr Seconds kCreate(30);

constexpr Seconds kBackoff(0.1);
constexpr Seconds kBackoffMax(1);

// Seconds of a clock that never jumps, and a time of it for gRPC.
Seconds Now();
gpr_timespec In(Seconds span);

// From 0 to 1, for jitter.
double Chance();

// A UUIDv7 (RFC 9562): a retried create cannot make a second job.
std::string RequestId();

// Until the next try after the attempt, counted from 1; none if it would not help.
std::optional<Seconds> RetryDelay(const Error& error, int attempt);

class Connection {
 public:
  static Result<std::shared_ptr<Connection>> Open(ClientOptions options);

  Connection(const std::string& address, Credentials who,
             const std::shared_ptr<grpc::ChannelCredentials>& shown);

  // Puts into a context what says who calls.
  std::optional<Error> Prepare(grpc::ClientContext& context) const;

  using Send = std::function<grpc::Status(grpc::ClientContext*, bool is_repeat)>;
  // Calls, and calls again where that is safe and makes sense.
  std::optional<Error> Run(const Send& send, Seconds deadline, bool may_repeat) const;

  // Waits, and lets a channel connect meanwhile: without background threads of its own
  // gRPC moves bytes only under a thread that waits in it.
  void Rest(Seconds span) const;
  // The same for the channel of watches, until it is connected: true.
  bool AwaitWatches(Seconds span) const;

  // Remembers a watch, for Close. One of a closed client learns it from Prepare.
  void Remember(const std::shared_ptr<Stream>& watch);
  void Close();

  // Set once. A watch has a connection of its own: a stream that nobody reads must not
  // hold up a cancel.
  std::unique_ptr<v1::JobService::Stub> jobs, watches;
  std::unique_ptr<v1::ImageService::Stub> images;
  std::unique_ptr<v1::SystemService::Stub> system;

 private:
  std::optional<Error> Once(const Send& send, Seconds deadline, bool is_repeat) const;

  const Credentials who_;
  const std::shared_ptr<grpc::Channel> control_, watch_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  bool is_closed_ = false;
  std::vector<std::weak_ptr<Stream>> open_;
};

}  // namespace longshore::internal

#endif  // LONGSHORE_SRC_CONNECTION_H_
