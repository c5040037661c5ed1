// change_rate TOP: a slow pull that is let loose once it has made some progress.

#include "pull.h"

namespace {

bool IsRunning(const longshore::Value& value) {
  if (const auto* event = std::get_if<longshore::Event>(&value)) {
    return event->change.job().state() == longshore::v1::JOB_STATE_RUNNING;
  }
  const auto* snapshot = std::get_if<longshore::Snapshot>(&value);
  return snapshot != nullptr && !snapshot->jobs.empty() &&
         snapshot->jobs[0].state() == longshore::v1::JOB_STATE_RUNNING;
}

void AwaitProgress(const longshore::JobHandle& handle) {
  bool is_running = false;
  for (auto& next : handle.Watch()) {
    const auto value = OrDie(std::move(next));
    is_running = is_running || IsRunning(value);
    if (is_running && std::holds_alternative<longshore::Progress>(value)) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto client = OrDie(longshore::Client::Open());
  const auto handle = OrDie(client.Create(SlowPull(ArgumentOrDie(argc, argv, 1))));
  std::cout << handle.id() << std::endl;
  AwaitProgress(handle);
  OrDie(handle.SetSpeed(std::nullopt));
  const auto job = OrDie(handle.Wait());
  std::cout << handle.id() << " " << longshore::ShortName(job.state()) << std::endl;
}
