// Client and Watch over a real connection, to a service of this process.

#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <longshore/client.h>
#include <unistd.h>

#include <future>
#include <thread>

namespace longshore {
namespace {

class Service : public v1::JobService::Service {
 public:
  grpc::Status CreateJob(grpc::ServerContext* context, const v1::CreateJobRequest* in,
                         v1::CreateJobResponse* out) override {
    creates_.push_back(in->request_id());
    const auto& sent = context->client_metadata();
    name = std::string(sent.find("longshore-client")->second.data(),
                       sent.find("longshore-client")->second.size());
    if (creates_.size() < 3) return {grpc::StatusCode::UNAVAILABLE, "lost"};
    out->mutable_job()->set_job_id("job-1");
    return grpc::Status::OK;
  }

  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* in,
                        v1::ListJobsResponse* out) override {
    ++pages;
    out->add_jobs()->set_job_id(in->page_token() + "a");
    out->add_jobs()->set_job_id(in->page_token() + "b");
    if (in->page_token().empty()) out->set_next_page_token("2");
    return grpc::Status::OK;
  }

  // A snapshot, then silence until the client has left.
  grpc::Status WatchJobs(grpc::ServerContext* context, const v1::WatchJobsRequest*,
                         grpc::ServerWriter<v1::WatchJobsResponse>* out) override {
    v1::WatchJobsResponse frame;
    frame.mutable_snapshot_end();
    frame.mutable_cursor()->set_revision(1);
    out->Write(frame);
    while (!context->IsCancelled()) std::this_thread::yield();
    left.set_value();
    return grpc::Status::CANCELLED;
  }

  std::string name;
  std::vector<std::string> creates_;
  int pages = 0;
  std::promise<void> left;
};

class Daemon : public testing::Test {
 protected:
  Daemon() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(options_.address, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }

  Client Connect() { return Client::Open(options_).value(); }

  ClientOptions options_{
      "unix:" + testing::TempDir() + "longshore-" + std::to_string(getpid()) + ".sock",
      Credentials()};
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(Daemon, ACreateIsSentAgainWithTheSameRequestId) {
  const auto job = Connect().Pull("/images/top.qcow2");
  ASSERT_TRUE(job.ok()) << job.error().message;
  EXPECT_EQ(job->id(), "job-1");
  EXPECT_TRUE(job->is_new());
  EXPECT_EQ(service_.creates_.size(), 3u);
  EXPECT_EQ(service_.creates_[0], service_.creates_[2]);
  EXPECT_EQ(service_.name, "longshore-cpp/" + Version());
}

TEST_F(Daemon, PagesAreFetchedAsTheyAreNeeded) {
  auto jobs = Connect().List();
  EXPECT_EQ((*jobs.Next())->job_id(), "a");
  EXPECT_EQ((*jobs.Next())->job_id(), "b");
  EXPECT_EQ(service_.pages, 1);
  EXPECT_EQ((*jobs.Next())->job_id(), "2a");
  EXPECT_EQ((*jobs.Next())->job_id(), "2b");
  EXPECT_FALSE(jobs.Next().has_value());
  EXPECT_EQ(service_.pages, 2);
}

TEST_F(Daemon, LeavingTheLoopEndsTheCall) {
  for (const auto& value : Connect().Watch()) {
    ASSERT_TRUE(value.ok());
    break;
  }
  service_.left.get_future().wait();
}

TEST_F(Daemon, AWatchIsClosedFromAnotherThread) {
  auto client = Connect();
  auto watch = client.Watch();
  ASSERT_TRUE(watch.Next().has_value());
  std::thread closer([&] { watch.Close(); });
  EXPECT_FALSE(watch.Next().has_value());
  closer.join();
  service_.left.get_future().wait();
}

TEST_F(Daemon, ACloseOfTheClientEndsItsWatches) {
  auto client = Connect();
  auto watch = client.Watch();
  ASSERT_TRUE(watch.Next().has_value());
  std::thread closer([&] { client.Close(); });
  EXPECT_FALSE(watch.Next().has_value());
  closer.join();
  EXPECT_EQ(client.Job("job-1").Get().error().kind, ErrorKind::kBadArgument);
  service_.left.get_future().wait();
}

TEST_F(Daemon, AWatchThatWasNeverReadCostsNothing) {
  Watch watch = Connect().Watch();
  watch = Connect().Watch();
  EXPECT_FALSE(watch.cursor().has_value());
}

TEST(Client, AWatchLosesPatience) {
  ClientOptions options;
  options.address = "unix:/nowhere/longshored.sock";
  const auto client = Client::Open(options).value();
  WatchOptions how;
  how.patience = Seconds(0);
  auto watch = client.Watch(how);
  const auto value = watch.Next();
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(value->error().kind, ErrorKind::kConnectionFailed);
  EXPECT_FALSE(watch.Next().has_value());
}

}  // namespace
}  // namespace longshore
