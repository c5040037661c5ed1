#include "longshore/client.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "connection.h"
#include "longshore/units.h"
#include "stream.h"

namespace longshore {
namespace {

using internal::Connection;
using internal::kBackoff;
using internal::kBackoffMax;
using internal::kCreate;
using internal::kUnary;
using internal::Now;
using Images = v1::ImageService::Stub;
using Jobs = v1::JobService::Stub;
using System = v1::SystemService::Stub;
template <typename Item>
using Repeated = google::protobuf::RepeatedPtrField<Item>;

// One WaitJob; well under what proxies cut (the server allows 60).
constexpr Seconds kWait(30);
// What a wait is given on top, for the answer to travel.
constexpr Seconds kWaitGrace(5);
// A wait outlives a restart of the daemon that takes no longer than this.
constexpr Seconds kUnreachable(60);
constexpr Seconds kForever(std::numeric_limits<double>::infinity());

template <typename Stub, typename Request, typename Response>
using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

template <typename Stub, typename Request, typename Response>
Result<Response> Ask(const Connection& connection, Stub& stub,
                     Method<Stub, Request, Response> method, const Request& request,
                     Seconds deadline, bool may_repeat = true) {
  Response response;
  const auto send = [&](grpc::ClientContext* context, bool) {
    return (stub.*method)(context, request, &response);
  };
  if (auto error = connection.Run(send, deadline, may_repeat)) return *std::move(error);
  return response;
}

// The part of an answer that is meant.
template <typename Part, typename Response>
Result<Part> Only(Result<Response> answer, Part* (Response::*part)()) {
  if (!answer) return answer.error();
  return std::move(*((*answer).*part)());
}

template <typename Item, typename Response>
Result<Page<Item>> ToPage(Result<Response> answer,
                          Repeated<Item>* (Response::*items)()) {
  if (!answer) return answer.error();
  auto& all = *((*answer).*items)();
  Page<Item> page;
  std::move(all.begin(), all.end(), std::back_inserter(page.items));
  page.next_token = answer->next_page_token();
  return page;
}

// As RetryDelay; and a wait that got no answer in time is asked again.
std::optional<Seconds> WaitDelay(const Error& error, int attempt) {
  if (error.kind == ErrorKind::kDeadlineExceeded) return kBackoffMax;
  return internal::RetryDelay(error, attempt);
}

// The job, unless it ended without success and nobody asked for that.
Result<v1::Job> Outcome(v1::Job job, const WaitOptions& options) {
  const auto& states = options.states;
  const bool is_asked =
      std::find(states.begin(), states.end(), job.state()) != states.end();
  const bool is_bad =
      job.state() == v1::JOB_STATE_FAILED || job.state() == v1::JOB_STATE_CANCELLED;
  if (is_bad && !is_asked && options.fail_with_job) return Error::FromJob(job);
  return job;
}

Error Late(const std::string& id, const WaitOptions& options) {
  const Seconds waited = options.timeout.value_or(kForever);
  return {ErrorKind::kWaitTimeout,
          "Job " + id + " goes on; waited " + FormatDuration(waited) + " for it"};
}

// What a closed client is told the first value of its watch tells.
Watch NewWatch(const std::shared_ptr<Connection>& connection, WatchOptions options) {
  auto stream = std::make_shared<internal::Stream>(connection, std::move(options));
  connection->Remember(stream);
  return Watch(std::move(stream));
}

}  // namespace

JobHandle::JobHandle(std::shared_ptr<Connection> connection, std::string id,
                     v1::Job job, bool is_new)
    : connection_(std::move(connection)),
      id_(std::move(id)),
      job_(std::move(job)),
      is_new_(is_new) {}

// All verbs may be repeated, but not one that expects a revision: it would meet the
// revision that it made itself.
template <typename Request, typename Response>
Result<v1::Job> JobHandle::Ask(Method<Jobs, Request, Response> verb, Request request,
                               std::int64_t expected_revision) const {
  request.set_job_id(id_);
  request.set_expected_revision(expected_revision);
  return Only(longshore::Ask(*connection_, *connection_->jobs, verb, request, kUnary,
                             expected_revision == 0),
              &Response::mutable_job);
}

Result<v1::Job> JobHandle::Get() const {
  v1::GetJobRequest request;
  request.set_job_id(id_);
  return Only(
      longshore::Ask(*connection_, *connection_->jobs, &Jobs::GetJob, request, kUnary),
      &v1::GetJobResponse::mutable_job);
}

Result<v1::Job> JobHandle::Wait(const WaitOptions& options) const {
  const Seconds deadline = Now() + options.timeout.value_or(kForever);
  Seconds heard = Now();
  v1::WaitJobRequest request;
  request.set_job_id(id_);
  for (const auto state : options.states) request.add_states(state);
  for (int attempt = 0;;) {
    const Seconds began = Now();
    const Seconds asked = std::clamp(deadline - began, Seconds(0), kWait);
    *request.mutable_timeout() = ToDuration(asked);
    // Sent again from here, with the time that is left then.
    auto answer = longshore::Ask(*connection_, *connection_->jobs, &Jobs::WaitJob,
                                 request, asked + kWaitGrace, false);
    if (!answer) {
      const auto delay = WaitDelay(answer.error(), ++attempt);
      if (!delay || Now() - heard >= kUnreachable) return answer.error();
      if (Now() >= deadline) return Late(id_, options);
      connection_->Rest(std::min(*delay, deadline - Now()));
      continue;
    }
    heard = Now();
    attempt = 0;
    if (answer->reached()) return Outcome(std::move(*answer->mutable_job()), options);
    if (heard >= deadline) return Late(id_, options);
    // An early answer is allowed; asking on and on is not.
    if (heard - began < kBackoff) connection_->Rest(kBackoff);
  }
}

Result<v1::Job> JobHandle::Pause(const std::string& comment,
                                 std::int64_t expected_revision) const {
  v1::PauseJobRequest request;
  request.set_comment(comment);
  return Ask(&Jobs::PauseJob, request, expected_revision);
}

Result<v1::Job> JobHandle::Resume(std::int64_t expected_revision) const {
  return Ask(&Jobs::ResumeJob, v1::ResumeJobRequest(), expected_revision);
}

Result<v1::Job> JobHandle::Cancel(const CancelOptions& options) const {
  v1::CancelJobRequest request;
  request.set_comment(options.comment);
  request.set_force(options.force);
  auto job = Ask(&Jobs::CancelJob, request, options.expected_revision);
  if (!job || !options.wait) return job;
  WaitOptions until_ended;
  until_ended.fail_with_job = false;
  return Wait(until_ended);
}

Result<v1::Job> JobHandle::Complete(v1::CompletionMode mode,
                                    std::int64_t expected_revision) const {
  v1::CompleteJobRequest request;
  request.set_mode(mode);
  return Ask(&Jobs::CompleteJob, request, expected_revision);
}

Result<v1::Job> JobHandle::Finalize(std::int64_t expected_revision) const {
  return Ask(&Jobs::FinalizeJob, v1::FinalizeJobRequest(), expected_revision);
}

Result<v1::Job> JobHandle::Dismiss(bool allow_missing,
                                   std::int64_t expected_revision) const {
  v1::DismissJobRequest request;
  request.set_job_id(id_);
  request.set_expected_revision(expected_revision);
  v1::DismissJobResponse answer;
  const auto send = [&](grpc::ClientContext* context, bool is_repeat) {
    // If the first answer was lost the job may be gone by now, as it should be.
    request.set_allow_missing(allow_missing || is_repeat);
    return connection_->jobs->DismissJob(context, request, &answer);
  };
  if (auto error = connection_->Run(send, kUnary, true)) return *std::move(error);
  return std::move(*answer.mutable_job());
}

Result<v1::Job> JobHandle::SetSpeed(
    std::optional<std::int64_t> bytes_per_second) const {
  v1::JobOptions options;
  if (bytes_per_second) options.set_speed_bytes_per_second(*bytes_per_second);
  return Update(options, {{"speed_bytes_per_second"}});
}

Result<v1::Job> JobHandle::Update(const v1::JobOptions& options,
                                  std::optional<std::vector<std::string>> paths,
                                  std::int64_t expected_revision) const {
  v1::UpdateJobRequest request;
  *request.mutable_options() = options;
  if (paths) {
    auto& mask = *request.mutable_update_mask()->mutable_paths();
    mask.Assign(paths->begin(), paths->end());
  }
  return Ask(&Jobs::UpdateJob, request, expected_revision);
}

Watch JobHandle::Watch(WatchOptions options) const {
  options.selector.Clear();
  options.selector.add_job_ids(id_);
  options.stop_when_finished = options.stop_when_finished.value_or(true);
  return NewWatch(connection_, std::move(options));
}

Client::Client(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)) {}

Result<Client> Client::Open(ClientOptions options) {
  auto connection = Connection::Open(std::move(options));
  if (!connection) return connection.error();
  return Client(*std::move(connection));
}

void Client::Close() { connection_->Close(); }

JobHandle Client::Job(std::string id) const { return {connection_, std::move(id)}; }

Result<JobHandle> Client::Create(v1::CreateJobRequest request) const {
  // The request id makes one job of however many calls.
  if (request.request_id().empty()) request.set_request_id(internal::RequestId());
  auto answer = Ask(*connection_, jobs(), &Jobs::CreateJob, request, kCreate);
  if (!answer) return answer.error();
  const std::string id = answer->job().job_id();
  return JobHandle(connection_, id, std::move(*answer->mutable_job()),
                   !answer->replayed() && !answer->existing());
}

Result<JobHandle> Client::Pull(const std::string& top, const std::string& base) const {
  return Create(PullRequest(top, base));
}

Result<std::vector<JobHandle>> Client::CreateGroup(
    v1::CreateJobGroupRequest request) const {
  if (request.request_id().empty()) request.set_request_id(internal::RequestId());
  const auto answer =
      Ask(*connection_, jobs(), &Jobs::CreateJobGroup, request, kCreate);
  if (!answer) return answer.error();
  std::vector<JobHandle> handles;
  for (const auto& job : answer->jobs()) {
    handles.emplace_back(connection_, job.job_id(), job, !answer->replayed());
  }
  return handles;
}

Result<v1::UpdateJobGroupResponse> Client::UpdateGroup(
    const v1::UpdateJobGroupRequest& request) const {
  return Ask(*connection_, jobs(), &Jobs::UpdateJobGroup, request, kUnary);
}

Result<v1::JobPlan> Client::Plan(const v1::CreateJobRequest& request) const {
  v1::PlanJobRequest asked;
  *asked.mutable_request() = request;
  return Only(Ask(*connection_, jobs(), &Jobs::PlanJob, asked, kCreate),
              &v1::PlanJobResponse::mutable_plan);
}

Pages<v1::Job> Client::List(v1::ListJobsRequest request) const {
  return Pages<v1::Job>([client = *this, request](const std::string& token) mutable {
    request.set_page_token(token);
    auto page =
        Ask(*client.connection_, client.jobs(), &Jobs::ListJobs, request, kCreate);
    return ToPage(std::move(page), &v1::ListJobsResponse::mutable_jobs);
  });
}

Watch Client::Watch(WatchOptions options) const {
  return NewWatch(connection_, std::move(options));
}

Result<v1::Image> Client::GetImage(const v1::GetImageRequest& request) const {
  return Only(Ask(*connection_, images(), &Images::GetImage, request, kCreate),
              &v1::GetImageResponse::mutable_image);
}

Pages<v1::MapExtent> Client::MapImage(v1::MapImageRequest request) const {
  return Pages<v1::MapExtent>([client = *this,
                               request](const std::string& token) mutable {
    request.set_page_token(token);
    auto page =
        Ask(*client.connection_, client.images(), &Images::MapImage, request, kCreate);
    return ToPage(std::move(page), &v1::MapImageResponse::mutable_extents);
  });
}

Result<v1::Image> Client::CreateImage(const v1::CreateImageRequest& request) const {
  return Only(
      Ask(*connection_, images(), &Images::CreateImage, request, kCreate, false),
      &v1::CreateImageResponse::mutable_image);
}

Result<v1::GetCapabilitiesResponse> Client::GetCapabilities() const {
  return Ask(*connection_, system(), &System::GetCapabilities,
             v1::GetCapabilitiesRequest(), kUnary);
}

Result<v1::GetRateLimitsResponse> Client::GetRateLimits(
    const v1::GetRateLimitsRequest& request) const {
  return Ask(*connection_, system(), &System::GetRateLimits, request, kUnary);
}

Result<v1::SharedRateLimit> Client::UpdateRateLimits(
    const v1::UpdateRateLimitsRequest& request) const {
  return Only(Ask(*connection_, system(), &System::UpdateRateLimits, request, kUnary),
              &v1::UpdateRateLimitsResponse::mutable_rate_limit);
}

v1::JobService::Stub& Client::jobs() const { return *connection_->jobs; }
v1::ImageService::Stub& Client::images() const { return *connection_->images; }
v1::SystemService::Stub& Client::system() const { return *connection_->system; }

std::optional<Error> Client::Prepare(grpc::ClientContext& context) const {
  return connection_->Prepare(context);
}

v1::ImageRef ImageAt(const std::string& uri, const std::string& format) {
  v1::ImageRef image;
  image.set_uri(uri);
  image.set_format(format);
  return image;
}

v1::CreateJobRequest PullRequest(const std::string& top, const std::string& base) {
  v1::CreateJobRequest request;
  auto& spec = *request.mutable_info()->mutable_block()->mutable_pull()->mutable_spec();
  *spec.mutable_top() = ImageAt(top);
  if (!base.empty()) *spec.mutable_base() = ImageAt(base);
  return request;
}

}  // namespace longshore
