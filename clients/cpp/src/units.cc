#include "longshore/units.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <vector>

namespace longshore {
namespace {

// More digits than any number that is meant.
constexpr std::size_t kLongest = 64;
constexpr std::string_view kBinary = "KMGTPE";
// What a Duration of protobuf can hold, about 10,000 years.
constexpr char kMaxMilliseconds[] = "315576000000000";

// Lower and upper case, without the locale.
bool IsDigit(char sign) { return sign >= '0' && sign <= '9'; }
bool IsLetter(char sign) {
  return (sign >= 'a' && sign <= 'z') || (sign >= 'A' && sign <= 'Z');
}

std::string_view Strip(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\f\v";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

// Takes from the front of the text what `is_part` says.
template <typename IsPart>
std::string TakeWhile(std::string_view* text, IsPart is_part) {
  const auto end = std::find_if_not(text->begin(), text->end(), is_part);
  std::string taken(text->begin(), end);
  text->remove_prefix(taken.size());
  return taken;
}

// A decimal number, exactly: its digits, of which `scale` are behind the point.
struct Decimal {
  std::string digits;
  std::size_t scale = 0;

  void Multiply(std::uint64_t factor) {  // by at most 2^60, which 9 times still fits
    std::uint64_t carry = 0;
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
      carry += (*digit - '0') * factor;
      *digit = static_cast<char>('0' + carry % 10);
      carry /= 10;
    }
    if (carry > 0) digits.insert(0, std::to_string(carry));
  }

  void Add(Decimal other) {
    const std::size_t most = std::max(scale, other.scale);
    digits.append(most - scale, '0');
    other.digits.append(most - other.scale, '0');
    scale = most;
    const std::size_t length = std::max(digits.size(), other.digits.size()) + 1;
    digits.insert(0, length - digits.size(), '0');
    other.digits.insert(0, length - other.digits.size(), '0');
    int carry = 0;
    for (std::size_t at = length; at-- > 0;) {
      carry += digits[at] - '0' + other.digits[at] - '0';
      digits[at] = static_cast<char>('0' + carry % 10);
      carry /= 10;
    }
  }

  // Without zeros that say nothing: digits before the point, digits behind it.
  std::pair<std::string, std::string> Parts() const {
    const std::string all = std::string(scale + 1, '0') + digits;
    const std::string whole = all.substr(0, all.size() - scale);
    const std::string rest = all.substr(whole.size());
    return {whole.substr(std::min(whole.find_first_not_of('0'), whole.size() - 1)),
            rest.substr(0, rest.find_last_not_of('0') + 1)};
  }
};

// 12 or 1.5 from the front of the text; none if there is no such number.
std::optional<Decimal> TakeNumber(std::string_view* text) {
  Decimal number{TakeWhile(text, IsDigit)};
  if (number.digits.empty()) return std::nullopt;
  if (!text->empty() && text->front() == '.') {
    text->remove_prefix(1);
    const std::string rest = TakeWhile(text, IsDigit);
    if (rest.empty()) return std::nullopt;
    number.digits += rest;
    number.scale = rest.size();
  }
  return number;
}

std::uint64_t Power(std::uint64_t base, std::size_t exponent) {
  return exponent == 0 ? 1 : base * Power(base, exponent - 1);
}

// How many bytes a unit is; 0 if it is none.
std::uint64_t Factor(std::string_view unit) {
  if (unit.empty() || unit == "B") return 1;
  const std::size_t power = kBinary.find(unit[0] == 'k' ? 'K' : unit[0]);
  if (power == std::string_view::npos) return 0;
  const std::string_view rest = unit.substr(1);
  if (rest.empty() || rest == "iB") return Power(1024, power + 1);
  return rest == "B" ? Power(1000, power + 1) : 0;
}

std::uint64_t Milliseconds(std::string_view unit) {
  static const std::map<std::string_view, std::uint64_t> kUnits = {
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  const auto found = kUnits.find(unit);
  return found == kUnits.end() ? 0 : found->second;
}

Error Refused(std::string_view text, const std::string& why) {
  return {ErrorKind::kBadArgument, "'" + std::string(text) + "' " + why};
}

std::string Round(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// Takes .50 and .0 for what they are.
std::string Trim(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

Result<std::int64_t> ParseSize(std::string_view text) {
  std::string_view left = Strip(text);
  auto number = TakeNumber(&left);
  const std::string_view unit = Strip(left);
  const bool is_word = std::all_of(unit.begin(), unit.end(), IsLetter);
  if (!number || !is_word || text.size() > kLongest) {
    return Refused(text, "is not a size (write 512, 64K, 1.5GiB or 200MB)");
  }
  const std::uint64_t factor = Factor(unit);
  if (factor == 0) {
    return Refused(text,
                   "has an unknown unit (K M G T or KiB MiB ... = 1024, kB MB ... = "
                   "1000)");
  }
  number->Multiply(factor);
  const auto [whole, rest] = number->Parts();
  if (!rest.empty()) return Refused(text, "is not a whole number of bytes");
  std::int64_t size = 0;
  const auto parsed = std::from_chars(whole.data(), whole.data() + whole.size(), size);
  if (parsed.ec != std::errc()) return Refused(text, "is more than 2^63-1 bytes");
  return size;
}

Result<std::int64_t> ParseRate(std::string_view text) {
  std::string_view size = Strip(text);
  if (size.size() >= 2 && size.substr(size.size() - 2) == "/s") size.remove_suffix(2);
  auto rate = ParseSize(size);
  if (rate.ok() && *rate == 0) {
    return Refused(text, "moves nothing; leave it out for no limit");
  }
  return rate;
}

Result<Seconds> ParseDuration(std::string_view text) {
  const Error refused =
      Refused(text, "is not a duration (write 90, 90s, 1h30m, 250ms)");
  std::string_view left = Strip(text);
  if (left.empty() || text.size() > kLongest) return refused;
  Decimal sum{"0"};
  std::vector<std::string> units;
  while (!left.empty()) {
    auto number = TakeNumber(&left);
    std::string unit = TakeWhile(&left, IsLetter);
    const bool is_bare = unit.empty() && units.empty() && left.empty();
    if (is_bare) unit = "s";
    if (!number || Milliseconds(unit) == 0) return refused;
    if (std::find(units.begin(), units.end(), unit) != units.end()) {
      return Refused(text, "names a unit twice");
    }
    number->Multiply(Milliseconds(unit));
    sum.Add(*number);
    units.push_back(std::move(unit));
  }
  const auto [whole, rest] = sum.Parts();
  const auto order = [](const std::string& of) {
    return std::make_pair(of.size(), of);
  };
  if (order(whole + (rest.empty() ? "" : ".")) > order(kMaxMilliseconds)) {
    return Refused(text, "is more than 10,000 years");
  }
  double seconds = 0;
  const std::string exact = whole + "." + rest + "e-3";
  std::from_chars(exact.data(), exact.data() + exact.size(), seconds);
  return Seconds(seconds);
}

std::string FormatSize(double bytes) {
  if (bytes < 1024) return Round(std::trunc(bytes), 0) + " B";
  std::size_t power = 0;
  // What would be shown as 1024 is 1 of the next unit.
  for (; bytes >= 1023.5 && power < kBinary.size(); ++power) bytes /= 1024;
  const int digits = bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
  return Trim(Round(bytes, digits)) + " " + kBinary[power - 1] + "iB";
}

std::string FormatRate(double bytes_per_second) {
  return FormatSize(bytes_per_second) + "/s";
}

std::string FormatDuration(Seconds duration) {
  const double seconds = duration.count();
  if (!std::isfinite(seconds)) return "for ever";
  if (seconds > 0 && seconds < 0.95) {
    return Round(std::max(1.0, std::nearbyint(seconds * 1000)), 0) + "ms";
  }
  if (seconds > 0 && seconds < 9.95) return Trim(Round(seconds, 1)) + "s";
  double left = std::nearbyint(seconds);
  std::string text;
  int parts = 0;
  for (const auto& [unit, span] :
       {std::pair("d", 86400), {"h", 3600}, {"m", 60}, {"s", 1}}) {
    const double amount = std::floor(left / span);
    left -= amount * span;
    if (amount > 0 && ++parts <= 2)
      text += (text.empty() ? "" : " ") + Round(amount, 0) + unit;
  }
  return text.empty() ? "0s" : text;
}

}  // namespace longshore
