// The vectors that hold for the clients of every language, and how numbers are shown.

#include <gtest/gtest.h>
#include <longshore/units.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace longshore {
namespace {

using Json = nlohmann::json;

Json Vectors(const char* what) {
  std::ifstream file(LONGSHORE_UNITS_JSON);
  return Json::parse(file).at(what);
}

// Numbers beyond 2^53 are strings.
std::int64_t Whole(const Json& value) {
  return value.is_string() ? std::stoll(value.get<std::string>())
                           : value.get<std::int64_t>();
}

template <typename Parse>
void ExpectWhole(const Json& vectors, Parse parse) {
  for (const auto& vector : vectors.at("valid")) {
    const auto read = parse(vector.at("text").get<std::string>());
    ASSERT_TRUE(read.ok()) << vector;
    EXPECT_EQ(*read, Whole(vector.at("value"))) << vector;
  }
}

template <typename Parse>
void ExpectRefused(const Json& vectors, Parse parse) {
  for (const std::string text : vectors.at("invalid")) {
    const auto read = parse(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().kind, ErrorKind::kBadArgument) << text;
  }
}

TEST(Units, SizesAreReadAsInEveryLanguage) {
  ExpectWhole(Vectors("size"), ParseSize);
  ExpectRefused(Vectors("size"), ParseSize);
}

TEST(Units, RatesAreReadAsInEveryLanguage) {
  ExpectWhole(Vectors("rate"), ParseRate);
  ExpectRefused(Vectors("rate"), ParseRate);
}

TEST(Units, DurationsAreReadAsInEveryLanguage) {
  const Json vectors = Vectors("duration");
  for (const auto& vector : vectors.at("valid")) {
    const auto read = ParseDuration(vector.at("text").get<std::string>());
    ASSERT_TRUE(read.ok()) << vector;
    EXPECT_EQ(read->count(), vector.at("value").get<double>()) << vector;
  }
  ExpectRefused(vectors, ParseDuration);
}

TEST(Units, SizesAreShownWithAsManyDigitsAsSaySomething) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(1024), "1 KiB");
  EXPECT_EQ(FormatSize(1536), "1.5 KiB");
  EXPECT_EQ(FormatSize(100 * 1024), "100 KiB");
  EXPECT_EQ(FormatSize(1024 * 1024 - 1), "1 MiB");
  EXPECT_EQ(FormatSize(9223372036854775807.0), "8 EiB");
  EXPECT_EQ(FormatRate(52428800), "50 MiB/s");
}

TEST(Units, DurationsAreShownInTwoUnitsAtMost) {
  EXPECT_EQ(FormatDuration(Seconds(0)), "0s");
  EXPECT_EQ(FormatDuration(Seconds(0.25)), "250ms");
  EXPECT_EQ(FormatDuration(Seconds(1.5)), "1.5s");
  EXPECT_EQ(FormatDuration(Seconds(42)), "42s");
  EXPECT_EQ(FormatDuration(Seconds(3900)), "1h 5m");
  EXPECT_EQ(FormatDuration(Seconds(90061)), "1d 1h");
}

}  // namespace
}  // namespace longshore
