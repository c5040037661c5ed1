#include "connection.h"

#include <grpcpp/create_channel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <thread>

#include "stream.h"

namespace longshore {

std::string Version() { return LONGSHORE_VERSION; }

namespace internal {
namespace {

constexpr int kTries = 4;
// Told to come back later than this, the caller is told instead of kept waiting.
constexpr Seconds kRetryDelayMax(5);

// The server allows a ping every 5 s; 30 s is far from that, and quick enough to see a
// dead peer. Retries are ours, so that every language agrees.
grpc::ChannelArguments Arguments(const Credentials& who, bool is_watch) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 16 << 20);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // Not a backoff, whatever its name: how long one attempt may take, TLS included.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  if (is_watch) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  if (who.tls_name) arguments.SetSslTargetNameOverride(*who.tls_name);
  return arguments;
}

}  // namespace

Seconds Now() { return std::chrono::steady_clock::now().time_since_epoch(); }

gpr_timespec In(Seconds span) {
  const auto micros = static_cast<std::int64_t>(span.count() * 1e6);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_micros(micros, GPR_TIMESPAN));
}

double Chance() {
  std::random_device device;
  return std::uniform_real_distribution<double>(0, 1)(device);
}

std::string RequestId() {
  using std::chrono::milliseconds;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto time = std::chrono::duration_cast<milliseconds>(now).count();
  std::random_device device;
  char text[37];
  std::snprintf(text, sizeof text, "%08x-%04x-7%03x-%04x-%08x%04x",
                static_cast<unsigned>(time >> 16), static_cast<unsigned>(time & 0xffff),
                device() & 0xfffu, (device() & 0x3fffu) | 0x8000u, device(),
                device() & 0xffffu);
  return text;
}

std::optional<Seconds> RetryDelay(const Error& error, int attempt) {
  if (error.kind == ErrorKind::kNoSpace) return std::nullopt;
  if (error.is_answer() && error.retry_delay) {
    if (*error.retry_delay > kRetryDelayMax) return std::nullopt;
    return std::max(*error.retry_delay, kBackoff);
  }
  if (error.kind != ErrorKind::kConnectionFailed &&
      error.kind != ErrorKind::kUnavailable) {
    return std::nullopt;
  }
  const Seconds ceiling = std::min(kBackoffMax, kBackoff * std::exp2(attempt - 1));
  return ceiling * (0.5 + Chance() / 2);
}

Result<std::shared_ptr<Connection>> Connection::Open(ClientOptions options) {
  const auto address =
      CheckAddress(options.address.empty() ? DefaultAddress() : options.address);
  if (!address) return address.error();
  Credentials who = options.credentials.value_or(Credentials::FromEnvironment());
  if (auto error = who.Check(*address)) return *std::move(error);
  const auto shown = who.ForChannel(*address);
  if (!shown) return shown.error();
  return std::make_shared<Connection>(*address, std::move(who), *shown);
}

Connection::Connection(const std::string& address, Credentials who,
                       const std::shared_ptr<grpc::ChannelCredentials>& shown)
    : who_(std::move(who)),
      control_(grpc::CreateCustomChannel(address, shown, Arguments(who_, false))),
      watch_(grpc::CreateCustomChannel(address, shown, Arguments(who_, true))) {
  jobs = v1::JobService::NewStub(control_);
  watches = v1::JobService::NewStub(watch_);
  images = v1::ImageService::NewStub(control_);
  system = v1::SystemService::NewStub(control_);
}

std::optional<Error> Connection::Prepare(grpc::ClientContext& context) const {
  {
    std::lock_guard lock(mutex_);
    if (is_closed_) return Error(ErrorKind::kBadArgument, "this client is closed");
  }
  const auto authorization = who_.Authorization();
  if (!authorization) return authorization.error();
  context.AddMetadata("longshore-client", "longshore-cpp/" + Version());
  if (!authorization->empty()) context.AddMetadata("authorization", *authorization);
  return std::nullopt;
}

std::optional<Error> Connection::Run(const Send& send, Seconds deadline,
                                     bool may_repeat) const {
  for (int attempt = 1;; ++attempt) {
    auto error = Once(send, deadline, attempt > 1);
    if (!error || !may_repeat || attempt == kTries) return error;
    const auto delay = RetryDelay(*error, attempt);
    if (!delay) return error;
    Rest(*delay);
  }
}

std::optional<Error> Connection::Once(const Send& send, Seconds deadline,
                                      bool is_repeat) const {
  using std::chrono::system_clock;
  grpc::ClientContext context;
  if (auto error = Prepare(context)) return error;
  context.set_deadline(system_clock::now() +
                       std::chrono::duration_cast<system_clock::duration>(deadline));
  const grpc::Status status = send(&context, is_repeat);
  return status.ok() ? std::nullopt : std::make_optional(Error::FromCall(status));
}

void Connection::Rest(Seconds span) const {
  const Seconds until = Now() + span;
  // How often to connect is for us to say, not for gRPC.
  grpc::experimental::ChannelResetConnectionBackoff(control_.get());
  control_->WaitForConnected(In(span));
  std::this_thread::sleep_for(until - Now());
}

bool Connection::AwaitWatches(Seconds span) const {
  return watch_->WaitForConnected(In(span));
}

void Connection::Remember(const std::shared_ptr<Stream>& watch) {
  std::lock_guard lock(mutex_);
  const auto is_gone = [](const auto& one) { return one.expired(); };
  open_.erase(std::remove_if(open_.begin(), open_.end(), is_gone), open_.end());
  open_.push_back(watch);
}

void Connection::Close() {
  std::vector<std::weak_ptr<Stream>> open;
  {
    std::lock_guard lock(mutex_);
    is_closed_ = true;
    open.swap(open_);
  }
  for (const auto& one : open) {
    if (const auto watch = one.lock()) watch->Close();
  }
}

}  // namespace internal
}  // namespace longshore
