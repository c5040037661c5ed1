// The ops of watches: step by step, in a range-for, on a thread.
#ifndef LONGSHORE_CONFORMANCE_WATCHES_H_
#define LONGSHORE_CONFORMANCE_WATCHES_H_

#include <map>
#include <memory>
#include <string>

#include "words.h"

namespace driver {

class Recorder;

class Watches {
 public:
  Watches();
  ~Watches();

  Json Open(const longshore::Client& client, const Json& fields);
  Json Next(const Json& fields);
  Json Cursor(const Json& fields);
  Json Close(const Json& fields);
  Json Take(const longshore::Client& client, const Json& fields);
  Json Record(const longshore::Client& client, const Json& fields);
  Json Recorded(const Json& fields);
  Json Drain(const longshore::Client& client, const Json& fields);

 private:
  std::map<std::string, longshore::Watch> open_;
  std::map<std::string, std::unique_ptr<Recorder>> recorders_;
};

}  // namespace driver

#endif  // LONGSHORE_CONFORMANCE_WATCHES_H_
