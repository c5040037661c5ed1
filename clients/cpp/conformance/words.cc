#include "words.h"

#include "google/rpc/code.pb.h"

namespace driver {
namespace {

namespace v1 = longshore::v1;

void Check(const google::protobuf::util::Status& status) {
  if (!status.ok()) throw DriverError(status.ToString());
}

Json Of(const char* type, const longshore::Snapshot& snapshot) {
  Json jobs = Json::array();
  for (const auto& job : snapshot.jobs) jobs.push_back(ToJson(job));
  return {{"type", type}, {"jobs", jobs}, {"cursor", ToJson(snapshot.cursor)}};
}

struct Show {
  Json operator()(const longshore::Event& event) const {
    const auto& change = event.change;
    return {{"type", "event"},
            {"kind", longshore::ShortName(change.kind())},
            {"revision", std::to_string(change.revision())},
            {"job", ToJson(change.job())},
            {"previousState", StateName(change.previous_state())},
            {"cursor", ToJson(event.cursor)}};
  }
  Json operator()(const longshore::Progress& sample) const {
    return {{"type", "progress"},
            {"job_id", sample.job_id()},
            {"progress", ToJson(sample.progress())}};
  }
  Json operator()(const longshore::Snapshot& it) const { return Of("snapshot", it); }
  Json operator()(const longshore::Resynced& it) const { return Of("resynced", it); }
};

}  // namespace

Json ToJson(const google::protobuf::Message& message) {
  std::string text;
  Check(google::protobuf::util::MessageToJsonString(message, &text));
  return Json::parse(text);
}

void FromJson(const Json& given, google::protobuf::Message* message) {
  Check(google::protobuf::util::JsonStringToMessage(given.dump(), message));
}

Json StateName(v1::JobState state) {
  if (v1::JobState_IsValid(state)) return v1::JobState_Name(state);
  return static_cast<int>(state);
}

std::string TypeOf(const longshore::Value& value) {
  constexpr const char* kTypes[] = {"event", "progress", "snapshot", "resynced"};
  return kTypes[value.index()];
}

Json ToJson(const longshore::Value& value) { return std::visit(Show(), value); }

Json ToJson(const longshore::Error& error) {
  Json shown = {{"class", longshore::KindName(error.kind)}, {"message", error.message}};
  if (error.job) shown["job"] = ToJson(*error.job);
  if (!error.is_answer()) return shown;
  Json violations = Json::array();
  for (const auto& one : error.field_violations) {
    violations.push_back({{"field", one.field}, {"description", one.description}});
  }
  shown["code"] = google::rpc::Code_Name(static_cast<google::rpc::Code>(error.code));
  shown["reason"] = error.reason;
  shown["domain"] = error.domain;
  shown["metadata"] = error.metadata;
  shown["fieldViolations"] = violations;
  shown["retryDelay"] =
      error.retry_delay ? Json(error.retry_delay->count()) : Json(nullptr);
  shown["requestId"] = error.request_id;
  return shown;
}

}  // namespace driver
