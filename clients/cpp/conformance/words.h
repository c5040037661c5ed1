// What the driver says and is told: messages, values of a watch and errors as JSON.
#ifndef LONGSHORE_CONFORMANCE_WORDS_H_
#define LONGSHORE_CONFORMANCE_WORDS_H_

#include <google/protobuf/util/json_util.h>
#include <longshore/client.h>

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

namespace driver {

using Json = nlohmann::json;

// The runner asks for what this driver does not know.
struct DriverError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Json ToJson(const google::protobuf::Message& message);
void FromJson(const Json& given, google::protobuf::Message* message);

template <typename Message>
Message Parsed(const Json& fields, const char* name) {
  Message message;
  if (fields.contains(name)) FromJson(fields.at(name), &message);
  return message;
}

// The name; the number of a state newer than this client.
Json StateName(longshore::v1::JobState state);

std::string TypeOf(const longshore::Value& value);
Json ToJson(const longshore::Value& value);
Json ToJson(const longshore::Error& error);

}  // namespace driver

#endif  // LONGSHORE_CONFORMANCE_WORDS_H_
