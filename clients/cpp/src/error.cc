#include "longshore/error.h"

#include <cmath>
#include <unordered_map>

#include "google/rpc/code.pb.h"
#include "google/rpc/error_details.pb.h"
#include "longshore/result.h"

namespace longshore {
namespace {

constexpr char kDomain[] = "jobs.longshore";

using Kind = ErrorKind;

const std::unordered_map<std::string_view, Kind> kKinds = {
    {"FIELD_INVALID", Kind::kInvalidRequest},
    {"PAGE_TOKEN_INVALID", Kind::kInvalidRequest},
    {"CREDENTIALS_INVALID", Kind::kPermissionDenied},
    {"PERMISSION_DENIED", Kind::kPermissionDenied},
    {"JOB_NOT_FOUND", Kind::kNotFound},
    {"TARGET_NOT_FOUND", Kind::kNotFound},
    {"JOB_ID_TAKEN", Kind::kAlreadyExists},
    {"TARGET_EXISTS", Kind::kAlreadyExists},
    {"REQUEST_ID_REUSED", Kind::kConflict},
    {"ACTION_NOT_ALLOWED", Kind::kWrongState},
    {"TARGET_BUSY", Kind::kTargetBusy},
    {"TARGET_WRONG_STATE", Kind::kWrongState},
    {"IMAGE_INVALID", Kind::kImageRefused},
    {"IMAGE_UNSUPPORTED", Kind::kImageRefused},
    {"REVISION_MISMATCH", Kind::kConflict},
    {"REVISION_COMPACTED", Kind::kHistoryGone},
    {"REVISION_IN_FUTURE", Kind::kHistoryGone},
    {"HISTORY_CHANGED", Kind::kHistoryGone},
    {"JOB_LIMIT", Kind::kLimitReached},
    {"WATCH_LIMIT", Kind::kLimitReached},
    {"RATE_LIMIT", Kind::kLimitReached},
    {"NO_SPACE", Kind::kNoSpace},
    {"JOB_TYPE_UNSUPPORTED", Kind::kUnsupported},
    {"ACTION_UNSUPPORTED", Kind::kUnsupported},
    {"SERVER_STARTING", Kind::kUnavailable},
    {"SERVER_STOPPING", Kind::kUnavailable},
    {"STORE_UNAVAILABLE", Kind::kUnavailable},
    {"BACKEND_UNREACHABLE", Kind::kUnavailable},
    {"INTERNAL", Kind::kInternal},
    {"CANCELLED_BY_USER", Kind::kCancelled},
    {"GROUP_MEMBER_FAILED", Kind::kInterrupted},
    {"PREDECESSOR_FAILED", Kind::kInterrupted},
    {"INTERRUPTED_BY_RESTART", Kind::kInterrupted},
    {"BACKEND_LOST", Kind::kInterrupted},
    {"IO_ERROR", Kind::kDataLoss},
    {"VERIFY_MISMATCH", Kind::kDataLoss},
};

// In the order of ErrorKind.
constexpr std::string_view kNames[] = {
    "BadArgument",    "ConnectionFailed", "DeadlineExceeded", "WaitTimeout",
    "HistoryLost",    "JobFailed",        "JobCancelled",     "ServiceError",
    "InvalidRequest", "NotFound",         "AlreadyExists",    "PermissionDenied",
    "WrongState",     "TargetBusy",       "Conflict",         "ImageRefused",
    "HistoryGone",    "LimitReached",     "NoSpace",          "Unsupported",
    "Unavailable",    "Internal",         "DataLoss",         "Cancelled",
    "Interrupted",
};
static_assert(std::size(kNames) == static_cast<int>(Kind::kInterrupted) + 1);

// The first detail of this type, if there is one that can be read.
template <typename Detail>
std::optional<Detail> Find(const google::rpc::Status& status) {
  Detail found;
  for (const auto& detail : status.details()) {
    if (detail.Is<Detail>() && detail.UnpackTo(&found)) return found;
  }
  return std::nullopt;
}

// Without our ErrorInfo these come from the transport (grpc/statuscodes.md).
Kind KindOfCode(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Kind::kDeadlineExceeded;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::CANCELLED:
      return Kind::kConnectionFailed;
    default:
      return Kind::kServiceError;
  }
}

}  // namespace

std::string_view KindName(ErrorKind kind) { return kNames[static_cast<int>(kind)]; }

std::string Error::fact(const std::string& name) const {
  const auto found = metadata.find(name);
  return found == metadata.end() ? std::string() : found->second;
}

std::optional<Error> Error::FromStatus(const google::rpc::Status& status) {
  const auto info = Find<google::rpc::ErrorInfo>(status);
  if (!info || info->domain() != kDomain) return std::nullopt;
  const auto known = kKinds.find(info->reason());
  Error error(known == kKinds.end() ? Kind::kServiceError : known->second,
              status.message());
  error.code = google::rpc::Code_IsValid(status.code())
                   ? static_cast<grpc::StatusCode>(status.code())
                   : grpc::StatusCode::UNKNOWN;
  error.reason = info->reason();
  error.domain = info->domain();
  error.metadata.insert(info->metadata().begin(), info->metadata().end());
  if (const auto bad = Find<google::rpc::BadRequest>(status)) {
    for (const auto& one : bad->field_violations()) {
      error.field_violations.push_back({one.field(), one.description()});
    }
  }
  if (const auto retry = Find<google::rpc::RetryInfo>(status)) {
    error.retry_delay = FromDuration(retry->retry_delay());
  }
  if (const auto request = Find<google::rpc::RequestInfo>(status)) {
    error.request_id = request->request_id();
  }
  return error;
}

Error Error::FromCall(const grpc::Status& status) {
  google::rpc::Status rich;
  if (rich.ParseFromString(status.error_details())) {
    if (auto typed = FromStatus(rich)) return *std::move(typed);
  }
  const grpc::StatusCode code = status.error_code();
  Error error(KindOfCode(code), status.error_message());
  if (error.message.empty()) {
    error.message = google::rpc::Code_Name(static_cast<google::rpc::Code>(code));
  }
  error.code = code;
  return error;
}

Error Error::FromJob(const v1::Job& job) {
  Error error = FromStatus(job.error()).value_or(Error(Kind::kServiceError, ""));
  const bool has_failed = job.state() == v1::JOB_STATE_FAILED;
  error.kind = has_failed ? Kind::kJobFailed : Kind::kJobCancelled;
  const std::string& why = job.error().message();
  error.message =
      "Job " + job.job_id() + ": " + (why.empty() ? "did not succeed" : why);
  error.job = std::make_shared<const v1::Job>(job);
  return error;
}

void internal::Throw(const Error& error) { throw error; }

Seconds FromDuration(const google::protobuf::Duration& duration) {
  return Seconds(static_cast<double>(duration.seconds()) + duration.nanos() / 1e9);
}

google::protobuf::Duration ToDuration(Seconds seconds) {
  constexpr double kMost = 315'576'000'000;  // of the type itself, about 10,000 years
  const double count = std::fmax(-kMost, std::fmin(kMost, seconds.count()));
  google::protobuf::Duration duration;
  duration.set_seconds(static_cast<std::int64_t>(count));
  duration.set_nanos(static_cast<int>((count - std::trunc(count)) * 1e9));
  return duration;
}

}  // namespace longshore
