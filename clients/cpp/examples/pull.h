// What the examples share: a slow pull, and the end of a program that fails.
#ifndef LONGSHORE_EXAMPLES_PULL_H_
#define LONGSHORE_EXAMPLES_PULL_H_

#include <longshore/client.h>

#include <cstdlib>
#include <iostream>
#include <string>

// The value; or says why there is none, and ends the program.
template <typename T>
T OrDie(longshore::Result<T> result) {
  if (result) return *std::move(result);
  std::cerr << longshore::KindName(result.error().kind) << ": "
            << result.error().message << std::endl;
  std::exit(1);
}

inline longshore::v1::CreateJobRequest SlowPull(const std::string& top) {
  auto request = longshore::PullRequest(top);
  request.mutable_options()->set_speed_bytes_per_second(64 * 1024);
  return request;
}

inline std::string ArgumentOrDie(int argc, char** argv, int number) {
  if (number < argc) return argv[number];
  std::cerr << "usage: " << argv[0] << " IMAGE..." << std::endl;
  std::exit(2);
}

#endif  // LONGSHORE_EXAMPLES_PULL_H_
