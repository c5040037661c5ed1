// cancel_on_ctrl_c TOP: a slow pull that Ctrl-C cancels; exits 130 then.

#include <csignal>
#include <thread>

#include "pull.h"

int main(int argc, char** argv) {
  // Blocked before any thread begins, so that only sigwait takes it.
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, nullptr);

  const auto client = OrDie(longshore::Client::Open());
  const auto handle = OrDie(client.Create(SlowPull(ArgumentOrDie(argc, argv, 1))));
  std::cout << handle.id() << std::endl;
  std::thread([handle, interrupt] {
    int signal = 0;
    sigwait(&interrupt, &signal);
    OrDie(handle.Cancel());
  }).detach();

  longshore::WaitOptions until_ended;
  until_ended.fail_with_job = false;
  const auto job = OrDie(handle.Wait(until_ended));
  std::cout << handle.id() << " " << longshore::ShortName(job.state()) << std::endl;
  return job.state() == longshore::v1::JOB_STATE_CANCELLED ? 130 : 0;
}
