// What can go wrong, as values. The reason decides the kind.
#ifndef LONGSHORE_ERROR_H_
#define LONGSHORE_ERROR_H_

#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/support/status.h>

#include "google/rpc/status.pb.h"
#include "longshore/seconds.h"
#include "longshore/v1/job.pb.h"

namespace longshore {

enum class ErrorKind {
  kBadArgument,       // refused before any call
  kConnectionFailed,  // no answer: nothing is known of the daemon
  kDeadlineExceeded,  // no answer in time; what was asked may have happened
  kWaitTimeout,       // a wait's own time is up; the job goes on
  kHistoryLost,       // a strict watch: changes are gone for good
  kJobFailed,         // a job that was waited for failed: see `job`
  kJobCancelled,      // someone cancelled it
  // From here on the daemon answered: `reason` says what. kServiceError itself is a
  // reason newer than this client, or the answer of a proxy, without any reason.
  kServiceError,
  kInvalidRequest,    // the request is wrong in itself; see `field_violations`
  kNotFound,          // there is no such job or image
  kAlreadyExists,     // the job id was used before, or the image is there
  kPermissionDenied,  // who asks is not known, or may not do this
  kWrongState,        // the verb does not fit the state; see allowedActions
  kTargetBusy,        // a job (blocking_job_id()) or a process holds the image
  kConflict,          // someone was faster, or the request id is another request's
  kImageRefused,      // the image contradicts its format, or is not supported
  kHistoryGone,       // the history after a cursor; a watch handles it itself
  kLimitReached,      // too many jobs, watches or calls; see `retry_delay`
  kNoSpace,           // the storage is full; trying again does not help
  kUnsupported,       // this daemon does not serve this kind of job, or this verb
  kUnavailable,       // the daemon starts or stops, or what it needs is away
  kInternal,          // a bug; `request_id` finds it in the daemon's log
  kDataLoss,          // reading or writing failed, or reads otherwise than written
  kCancelled,         // only of a job: someone asked for its end
  kInterrupted,       // only of a job: a restart, its group or a predecessor
};

// "TargetBusy"
std::string_view KindName(ErrorKind kind);

struct FieldViolation {
  std::string field;
  std::string description;
};

// Derives from std::exception because Result::value() throws it; nothing else does.
struct Error : std::exception {
  Error(ErrorKind kind, std::string message)
      : kind(kind), message(std::move(message)) {}

  // The error of a call that did not succeed.
  static Error FromCall(const grpc::Status& status);
  // The error in a status, as in Job.error; none if it is not one of the daemon.
  static std::optional<Error> FromStatus(const google::rpc::Status& status);
  // kJobFailed or kJobCancelled, with what the job says of it.
  static Error FromJob(const v1::Job& job);

  bool is_answer() const { return kind >= ErrorKind::kServiceError; }
  // A value of the metadata, empty without: blockingJobId, allowedActions, pid, ...
  std::string fact(const std::string& name) const;
  std::string blocking_job_id() const { return fact("blockingJobId"); }
  const char* what() const noexcept override { return message.c_str(); }

  ErrorKind kind;
  std::string message;
  grpc::StatusCode code = grpc::StatusCode::UNKNOWN;
  std::string reason;  // a name of v1::ErrorReason without its prefix, or newer
  std::string domain;
  std::map<std::string, std::string> metadata;  // what varies in the message
  std::vector<FieldViolation> field_violations;
  std::optional<Seconds> retry_delay;  // set if another try makes sense
  std::string request_id;
  std::shared_ptr<const v1::Job> job;  // its last word; of kJobFailed, kJobCancelled
};

}  // namespace longshore

#endif  // LONGSHORE_ERROR_H_
