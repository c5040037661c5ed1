// watch_all: print every change, until a job with the label stop=yes has ended.

#include "pull.h"

namespace {

bool IsTheEnd(const longshore::v1::Job& job) {
  const auto label = job.labels().find("stop");
  return label != job.labels().end() && label->second == "yes" && job.has_end_time();
}

}  // namespace

int main() {
  const auto client = OrDie(longshore::Client::Open());
  for (auto& next : client.Watch()) {
    const auto value = OrDie(std::move(next));
    if (const auto* snapshot = std::get_if<longshore::Snapshot>(&value)) {
      std::cout << "snapshot " << snapshot->jobs.size() << std::endl;
    } else if (const auto* resynced = std::get_if<longshore::Resynced>(&value)) {
      std::cout << "snapshot " << resynced->jobs.size() << std::endl;
    } else if (const auto* event = std::get_if<longshore::Event>(&value)) {
      const auto& change = event->change;
      std::cout << longshore::ShortName(change.kind()) << " " << change.job().job_id()
                << " " << longshore::ShortName(change.job().state())
                << " revision=" << change.revision() << std::endl;
      if (IsTheEnd(change.job())) break;
    }
  }
}
