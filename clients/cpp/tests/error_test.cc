// Errors: which kind a reason is, and what is made of an answer without one.

#include <gtest/gtest.h>
#include <longshore/client.h>

#include <set>

#include "google/rpc/error_details.pb.h"
#include "longshore/v1/error_reason.pb.h"

namespace longshore {
namespace {

google::rpc::Status Refusal(const std::string& reason, const std::string& domain) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(domain);
  (*info.mutable_metadata())["blockingJobId"] = "job-1";
  google::rpc::Status status;
  status.set_code(grpc::FAILED_PRECONDITION);
  status.set_message("held");
  status.add_details()->PackFrom(info);
  return status;
}

Error FromWire(const google::rpc::Status& status) {
  return Error::FromCall({static_cast<grpc::StatusCode>(status.code()),
                          status.message(), status.SerializeAsString()});
}

TEST(Errors, EveryReasonOfTheContractHasAKindOfItsOwn) {
  const auto& reasons = *v1::ErrorReason_descriptor();
  for (int at = 1; at < reasons.value_count(); ++at) {
    const std::string name = reasons.value(at)->name().substr(13);
    const auto error = Error::FromStatus(Refusal(name, "jobs.longshore"));
    EXPECT_GT(error->kind, ErrorKind::kServiceError) << name;
    EXPECT_EQ(error->reason, name);
  }
}

TEST(Errors, AnAnswerTellsWhatItHolds) {
  auto status = Refusal("TARGET_BUSY", "jobs.longshore");
  google::rpc::BadRequest bad;
  auto& violation = *bad.add_field_violations();
  violation.set_field("info");
  violation.set_description("Required");
  status.add_details()->PackFrom(bad);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  status.add_details()->PackFrom(retry);
  google::rpc::RequestInfo request;
  request.set_request_id("r-1");
  status.add_details()->PackFrom(request);

  const Error error = FromWire(status);
  EXPECT_EQ(error.kind, ErrorKind::kTargetBusy);
  EXPECT_EQ(KindName(error.kind), "TargetBusy");
  EXPECT_EQ(error.code, grpc::FAILED_PRECONDITION);
  EXPECT_EQ(error.message, "held");
  EXPECT_EQ(error.blocking_job_id(), "job-1");
  EXPECT_EQ(error.fact("pid"), "");
  EXPECT_EQ(error.field_violations.at(0).field, "info");
  EXPECT_EQ(error.retry_delay, Seconds(1.5));
  EXPECT_EQ(error.request_id, "r-1");
}

TEST(Errors, AReasonNewerThanThisClientIsAPlainServiceError) {
  const Error error = FromWire(Refusal("TARGET_HAUNTED", "jobs.longshore"));
  EXPECT_EQ(error.kind, ErrorKind::kServiceError);
  EXPECT_EQ(error.reason, "TARGET_HAUNTED");
}

TEST(Errors, AReasonOfAnotherDomainIsNotOurs) {
  const Error error = FromWire(Refusal("TARGET_BUSY", "example.org"));
  EXPECT_EQ(error.kind, ErrorKind::kServiceError);
  EXPECT_EQ(error.reason, "");
}

TEST(Errors, WithoutAReasonTheCodeDecides) {
  const auto kind = [](grpc::StatusCode code) {
    return Error::FromCall({code, "proxy"}).kind;
  };
  EXPECT_EQ(kind(grpc::DEADLINE_EXCEEDED), ErrorKind::kDeadlineExceeded);
  EXPECT_EQ(kind(grpc::UNAVAILABLE), ErrorKind::kConnectionFailed);
  EXPECT_EQ(kind(grpc::INTERNAL), ErrorKind::kConnectionFailed);
  EXPECT_EQ(kind(grpc::UNKNOWN), ErrorKind::kConnectionFailed);
  EXPECT_EQ(kind(grpc::CANCELLED), ErrorKind::kConnectionFailed);
  EXPECT_EQ(kind(grpc::PERMISSION_DENIED), ErrorKind::kServiceError);
  EXPECT_EQ(Error::FromCall({grpc::UNAVAILABLE, ""}).message, "UNAVAILABLE");
}

TEST(Errors, DetailsThatCannotBeReadAreLeftOut) {
  const Error error = Error::FromCall({grpc::NOT_FOUND, "gone", "\xff\xff"});
  EXPECT_EQ(error.kind, ErrorKind::kServiceError);
  EXPECT_EQ(error.code, grpc::NOT_FOUND);
}

TEST(Errors, AJobThatFailedSaysWhy) {
  v1::Job job;
  job.set_job_id("job-2");
  job.set_state(v1::JOB_STATE_FAILED);
  *job.mutable_error() = Refusal("NO_SPACE", "jobs.longshore");
  const Error error = Error::FromJob(job);
  EXPECT_EQ(error.kind, ErrorKind::kJobFailed);
  EXPECT_EQ(error.message, "Job job-2: held");
  EXPECT_EQ(error.reason, "NO_SPACE");
  EXPECT_EQ(error.job->job_id(), "job-2");
  EXPECT_FALSE(error.is_answer());
}

TEST(Errors, AResultThrowsItsErrorOnlyWhenItsValueIsTaken) {
  const Result<int> result = Error(ErrorKind::kNotFound, "gone");
  EXPECT_FALSE(result.ok());
  EXPECT_THROW(result.value(), Error);
  EXPECT_EQ(Result<int>(7).value(), 7);
}

TEST(Names, OfWhatIsNewerAreNumbers) {
  EXPECT_EQ(ShortName(v1::JOB_STATE_RUNNING), "RUNNING");
  EXPECT_EQ(ShortName(static_cast<v1::JobState>(99)), "99");
  EXPECT_EQ(ShortName(v1::JOB_EVENT_KIND_CREATED), "CREATED");
  EXPECT_EQ(ShortName(static_cast<v1::JobEventKind>(7)), "7");
}

}  // namespace
}  // namespace longshore
