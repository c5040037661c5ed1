// The client of one daemon, and handles on its jobs.
#ifndef LONGSHORE_CLIENT_H_
#define LONGSHORE_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "longshore/credentials.h"
#include "longshore/result.h"
#include "longshore/v1/image_service.grpc.pb.h"
#include "longshore/v1/job_service.grpc.pb.h"
#include "longshore/v1/system_service.grpc.pb.h"
#include "longshore/watch.h"

namespace longshore {

namespace internal {
class Connection;
}  // namespace internal

// Version of this client.
std::string Version();

struct ClientOptions {
  std::string address;                     // unix:PATH or HOST:PORT; DefaultAddress()
  std::optional<Credentials> credentials;  // those of the environment
};

struct WaitOptions {
  std::optional<Seconds> timeout;    // of the wait, never of the job; none
  std::vector<v1::JobState> states;  // return in one of these too
  bool fail_with_job = true;         // kJobFailed, kJobCancelled if it did not succeed
};

struct CancelOptions {
  std::string comment;
  bool wait = false;   // return when the end has come, one way or another
  bool force = false;  // do not wait for requests in flight on a dead backend
  std::int64_t expected_revision = 0;
};

// A job by its id. An `expected_revision` makes a verb fail with kConflict if the job
// has changed since it had that revision; 0 does not ask. Threads may share it.
class JobHandle {
 public:
  JobHandle(std::shared_ptr<internal::Connection> connection, std::string id,
            v1::Job job = {}, bool is_new = false);

  const std::string& id() const { return id_; }
  // As the daemon answered when it was created; empty of Client::Job().
  const v1::Job& job() const { return job_; }
  // It was made by this call, not found: an earlier call or conflict made it else.
  bool is_new() const { return is_new_; }

  Result<v1::Job> Get() const;
  // Until the job has ended. A restart of the daemon is waited through.
  Result<v1::Job> Wait(const WaitOptions& options = {}) const;
  Result<v1::Job> Pause(const std::string& comment = {},
                        std::int64_t expected_revision = 0) const;
  Result<v1::Job> Resume(std::int64_t expected_revision = 0) const;
  Result<v1::Job> Cancel(const CancelOptions& options = {}) const;
  Result<v1::Job> Complete(v1::CompletionMode mode = v1::COMPLETION_MODE_SWITCH,
                           std::int64_t expected_revision = 0) const;
  Result<v1::Job> Finalize(std::int64_t expected_revision = 0) const;
  // Forget the job. Its last word, or an empty job if it was gone.
  Result<v1::Job> Dismiss(bool allow_missing = false,
                          std::int64_t expected_revision = 0) const;
  // Change the rate limit now; nullopt takes it away.
  Result<v1::Job> SetSpeed(std::optional<std::int64_t> bytes_per_second) const;
  // Change the options that are set, or those that `paths` names: one that is named
  // and not set is taken back.
  Result<v1::Job> Update(const v1::JobOptions& options,
                         std::optional<std::vector<std::string>> paths = {},
                         std::int64_t expected_revision = 0) const;
  // This job's changes, to its end.
  longshore::Watch Watch(WatchOptions options = {}) const;

 private:
  template <typename Request, typename Response>
  Result<v1::Job> Ask(grpc::Status (v1::JobService::Stub::*verb)(grpc::ClientContext*,
                                                                 const Request&,
                                                                 Response*),
                      Request request, std::int64_t expected_revision) const;

  std::shared_ptr<internal::Connection> connection_;
  std::string id_;
  v1::Job job_;
  bool is_new_;
};

// One daemon. Cheap to copy; copies are the same client. Threads may share it.
class Client {
 public:
  // kBadArgument for an address or credentials that are none. Connects when first used.
  static Result<Client> Open(ClientOptions options = {});

  // End every watch; later calls are kBadArgument. Connections go with the last copy.
  void Close();

  // A handle on a job; asks nothing of the daemon yet.
  JobHandle Job(std::string id) const;
  // Start a job of any kind. Sent again when an answer is lost, made once.
  Result<JobHandle> Create(v1::CreateJobRequest request) const;
  // Populate `top` from its backing chain, wholly or down to `base`; see PullRequest.
  Result<JobHandle> Pull(const std::string& top, const std::string& base = {}) const;
  // Start jobs that become visible together or not at all.
  Result<std::vector<JobHandle>> CreateGroup(v1::CreateJobGroupRequest request) const;
  Result<v1::UpdateJobGroupResponse> UpdateGroup(
      const v1::UpdateJobGroupRequest& request) const;
  // What a job would do; nothing happens.
  Result<v1::JobPlan> Plan(const v1::CreateJobRequest& request) const;
  // Jobs, newest first.
  Pages<v1::Job> List(v1::ListJobsRequest request = {}) const;
  // Jobs as they are, then every change.
  longshore::Watch Watch(WatchOptions options = {}) const;

  // An image and the chain below it, even while it is in use.
  Result<v1::Image> GetImage(const v1::GetImageRequest& request) const;
  // The extents of an image through its chain, in order.
  Pages<v1::MapExtent> MapImage(v1::MapImageRequest request) const;
  // Make an empty image or an overlay. Not sent twice: it may exist then.
  Result<v1::Image> CreateImage(const v1::CreateImageRequest& request) const;
  Result<v1::GetCapabilitiesResponse> GetCapabilities() const;
  Result<v1::GetRateLimitsResponse> GetRateLimits(
      const v1::GetRateLimitsRequest& request = {}) const;
  Result<v1::SharedRateLimit> UpdateRateLimits(
      const v1::UpdateRateLimitsRequest& request) const;

  // The generated stubs, for what this wrapper does not offer; Prepare puts into a
  // context what says who calls.
  v1::JobService::Stub& jobs() const;
  v1::ImageService::Stub& images() const;
  v1::SystemService::Stub& system() const;
  std::optional<Error> Prepare(grpc::ClientContext& context) const;

 private:
  explicit Client(std::shared_ptr<internal::Connection> connection);

  std::shared_ptr<internal::Connection> connection_;
};

// A qcow2 image, unless another format is declared.
v1::ImageRef ImageAt(const std::string& uri, const std::string& format = "qcow2");

// What Client::Pull sends: to be given options, labels, a conflict rule.
v1::CreateJobRequest PullRequest(const std::string& top, const std::string& base = {});

}  // namespace longshore

#endif  // LONGSHORE_CLIENT_H_
