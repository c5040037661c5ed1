#include "watches.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace driver {
namespace {

namespace v1 = longshore::v1;

using Types = std::vector<std::string>;

const Types kDurable = {"event", "snapshot", "resynced"};

bool IsOneOf(const longshore::Value& value, const Types& types) {
  return std::find(types.begin(), types.end(), TypeOf(value)) != types.end();
}

void TakeSeconds(const Json& fields, const char* name,
                 std::optional<longshore::Seconds>* into) {
  if (fields.contains(name)) *into = longshore::Seconds(fields.at(name).get<double>());
}

longshore::WatchOptions Options(const Json& fields) {
  longshore::WatchOptions options;
  options.selector = Parsed<v1::JobSelector>(fields, "select");
  if (fields.contains("cursor")) options.cursor = Parsed<v1::Cursor>(fields, "cursor");
  options.from_now = fields.value("from_now", false);
  options.strict = fields.value("strict", false);
  options.omit_progress = fields.value("omit_progress", false);
  if (fields.contains("stop_when_finished")) {
    options.stop_when_finished = fields.at("stop_when_finished").get<bool>();
  }
  TakeSeconds(fields, "progress_interval", &options.progress_interval);
  TakeSeconds(fields, "heartbeat_interval", &options.heartbeat_interval);
  TakeSeconds(fields, "patience", &options.patience);
  return options;
}

longshore::Watch Begin(const longshore::Client& client, const Json& fields) {
  if (!fields.contains("job_id")) return client.Watch(Options(fields));
  return client.Job(fields.at("job_id")).Watch(Options(fields));
}

Json Row(const std::string& kind, std::int64_t revision, const v1::Job& job) {
  return {{"kind", kind},
          {"job_id", job.job_id()},
          {"revision", std::to_string(revision)},
          {"state", StateName(job.state())}};
}

int DrainWrapped(const longshore::Client& client, const Json& fields, int count) {
  auto options = Options(fields);
  options.omit_progress = true;
  int events = 0;
  for (const auto& value : client.Watch(std::move(options))) {
    if (!value) throw value.error();
    events += std::holds_alternative<longshore::Event>(*value);
    if (events >= count) break;
  }
  return events;
}

int DrainRaw(const longshore::Client& client, const Json& fields, int count) {
  v1::WatchJobsRequest request;
  *request.mutable_selector() = Parsed<v1::JobSelector>(fields, "select");
  request.set_omit_progress(true);
  if (fields.contains("cursor")) {
    *request.mutable_resume_after() = Parsed<v1::Cursor>(fields, "cursor");
  }
  grpc::ClientContext context;
  if (const auto error = client.Prepare(context)) throw *error;
  const auto reader = client.jobs().WatchJobs(&context, request);
  v1::WatchJobsResponse frame;
  int events = 0;
  while (events < count && reader->Read(&frame)) events += frame.events().events_size();
  context.TryCancel();
  reader->Finish();
  return std::min(events, count);
}

}  // namespace

// Reads a watch to its end on a thread, and keeps what is durable.
class Recorder {
 public:
  explicit Recorder(longshore::Watch watch)
      : watch_(std::move(watch)), thread_([this] { Read(); }) {}

  ~Recorder() {
    watch_.Close();
    thread_.join();
  }

  Json Until(std::int64_t revision) {
    std::unique_lock lock(mutex_);
    news_.wait(lock, [&] { return error_ || seen_ >= revision; });
    if (error_) throw *error_;
    return {{"events", rows_}, {"resynced", resynced_}};
  }

 private:
  void Read() {
    for (const auto& value : watch_) {
      std::lock_guard lock(mutex_);
      if (value) {
        Keep(*value);
      } else {
        error_ = value.error();
      }
      news_.notify_all();
    }
  }

  void Keep(const longshore::Value& value) {
    if (const auto* event = std::get_if<longshore::Event>(&value)) {
      const auto& change = event->change;
      rows_.push_back(
          Row(longshore::ShortName(change.kind()), change.revision(), change.job()));
      seen_ = change.revision();
    } else if (const auto* snapshot = std::get_if<longshore::Snapshot>(&value)) {
      KeepJobs(*snapshot);
    } else if (const auto* resynced = std::get_if<longshore::Resynced>(&value)) {
      KeepJobs(*resynced);
      ++resynced_;
    }
  }

  void KeepJobs(const longshore::Snapshot& snapshot) {
    for (const auto& job : snapshot.jobs) {
      rows_.push_back(Row("SNAPSHOT", job.revision(), job));
    }
    seen_ = snapshot.cursor.revision();
  }

  longshore::Watch watch_;
  std::mutex mutex_;
  // Guarded by mutex_.
  std::condition_variable news_;
  Json rows_ = Json::array();
  std::int64_t seen_ = 0;
  int resynced_ = 0;
  std::optional<longshore::Error> error_;
  std::thread thread_;  // last: it uses all of these
};

Watches::Watches() = default;
Watches::~Watches() = default;

Json Watches::Open(const longshore::Client& client, const Json& fields) {
  open_.insert_or_assign(fields.at("watch"), Begin(client, fields));
  return Json::object();
}

Json Watches::Next(const Json& fields) {
  auto& watch = open_.at(fields.at("watch"));
  const Types only = fields.value("only", kDurable);
  Json values = Json::array();
  while (values.size() < fields.at("count")) {
    const auto value = watch.Next();
    if (!value) return {{"values", values}, {"ended", true}};
    if (!value->ok()) throw value->error();
    if (IsOneOf(**value, only)) values.push_back(ToJson(**value));
  }
  return {{"values", values}, {"ended", false}};
}

Json Watches::Cursor(const Json& fields) {
  const auto cursor = open_.at(fields.at("watch")).cursor();
  return {{"cursor", cursor ? ToJson(*cursor) : Json(nullptr)}};
}

Json Watches::Close(const Json& fields) {
  open_.erase(fields.at("watch"));
  recorders_.erase(fields.at("watch"));
  return Json::object();
}

Json Watches::Take(const longshore::Client& client, const Json& fields) {
  Json values = Json::array();
  for (const auto& value : Begin(client, fields)) {
    if (!value) throw value.error();
    if (IsOneOf(*value, kDurable)) values.push_back(ToJson(*value));
    if (values.size() == fields.at("count")) break;
  }
  return {{"values", values}};
}

Json Watches::Record(const longshore::Client& client, const Json& fields) {
  recorders_[fields.at("watch")] = std::make_unique<Recorder>(Begin(client, fields));
  return Json::object();
}

Json Watches::Recorded(const Json& fields) {
  const std::string revision = fields.at("until_revision");
  return recorders_.at(fields.at("watch"))->Until(std::stoll(revision));
}

Json Watches::Drain(const longshore::Client& client, const Json& fields) {
  const int count = fields.at("count");
  const bool is_raw = fields.at("raw");
  return {{"events", is_raw ? DrainRaw(client, fields, count)
                            : DrainWrapped(client, fields, count)}};
}

}  // namespace driver
