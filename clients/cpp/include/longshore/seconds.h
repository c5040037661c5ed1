// Spans of time as the client takes and gives them: 5s, 250ms, Seconds(0.5).
#ifndef LONGSHORE_SECONDS_H_
#define LONGSHORE_SECONDS_H_

#include <google/protobuf/duration.pb.h>

#include <chrono>

namespace longshore {

using Seconds = std::chrono::duration<double>;

Seconds FromDuration(const google::protobuf::Duration& duration);
// What a Duration cannot hold becomes the nearest that it can.
google::protobuf::Duration ToDuration(Seconds seconds);

}  // namespace longshore

#endif  // LONGSHORE_SECONDS_H_
