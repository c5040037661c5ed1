// submit_and_wait TOP: flatten an image, and wait until it is done.

#include "pull.h"

int main(int argc, char** argv) {
  const auto client = OrDie(longshore::Client::Open());
  const auto handle = OrDie(client.Pull(ArgumentOrDie(argc, argv, 1)));
  std::cout << handle.id() << std::endl;
  const auto job = OrDie(handle.Wait());
  std::cout << handle.id() << " " << longshore::ShortName(job.state()) << std::endl;
}
