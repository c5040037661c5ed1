// Sizes, rates and durations as people write them. A bare number is bytes; K M G T P E
// and KiB MiB ... are powers of 1024, kB KB MB ... powers of 1000. Small m, and b for
// bits, are refused: they have been read both ways too often.
#ifndef LONGSHORE_UNITS_H_
#define LONGSHORE_UNITS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "longshore/result.h"

namespace longshore {

Result<std::int64_t> ParseSize(std::string_view text);  // bytes
Result<std::int64_t> ParseRate(std::string_view text);  // bytes a second
Result<Seconds> ParseDuration(std::string_view text);   // 90, 90s, 1h30m, 250ms

std::string FormatSize(double bytes);             // 1.5 GiB; exact below 1 KiB
std::string FormatRate(double bytes_per_second);  // 1.5 GiB/s
std::string FormatDuration(Seconds duration);     // 1h 5m, 42s, 1.5s, 250ms

}  // namespace longshore

#endif  // LONGSHORE_UNITS_H_
