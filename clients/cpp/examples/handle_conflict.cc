// handle_conflict TOP: meet a job that holds the image, cancel it, and queue up.

#include "pull.h"

int main(int argc, char** argv) {
  const std::string top = ArgumentOrDie(argc, argv, 1);
  const auto client = OrDie(longshore::Client::Open());
  OrDie(client.Create(SlowPull(top)));

  const auto refused = client.Pull(top);
  if (refused || refused.error().kind != longshore::ErrorKind::kTargetBusy) {
    std::cerr << "the image should be busy" << std::endl;
    return 1;
  }
  const std::string holder = refused.error().blocking_job_id();
  std::cout << "busy: " << holder << std::endl;
  longshore::CancelOptions until_ended;
  until_ended.wait = true;
  OrDie(client.Job(holder).Cancel(until_ended));

  auto request = longshore::PullRequest(top);
  request.set_on_conflict(longshore::v1::ON_CONFLICT_QUEUE);
  const auto handle = OrDie(client.Create(request));
  const auto job = OrDie(handle.Wait());
  std::cout << handle.id() << " " << longshore::ShortName(job.state()) << std::endl;
}
