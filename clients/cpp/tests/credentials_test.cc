// Addresses and credentials: what is refused before any call.

#include <gtest/gtest.h>
#include <longshore/client.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace longshore {
namespace {

TEST(Address, UnixSocketsAndPortsAreTaken) {
  EXPECT_EQ(*CheckAddress("unix:/run/d.sock"), "unix:/run/d.sock");
  EXPECT_EQ(*CheckAddress("unix:///run/d.sock"), "unix:/run/d.sock");
  EXPECT_EQ(*CheckAddress("images-7:7443"), "images-7:7443");
  EXPECT_EQ(*CheckAddress("[::1]:7443"), "[::1]:7443");
}

TEST(Address, WhatIsNoneIsRefused) {
  for (const char* text : {"", "host", "host:", ":7443", "host:0", "host:65536",
                           "host:7x", "host:-1", "unix:run/d.sock", "unix:"}) {
    const auto checked = CheckAddress(text);
    ASSERT_FALSE(checked.ok()) << text;
    EXPECT_EQ(checked.error().kind, ErrorKind::kBadArgument);
  }
}

TEST(Address, TheEnvironmentSaysWhere) {
  setenv("LONGSHORE_ADDRESS", "unix:/elsewhere", 1);
  EXPECT_EQ(DefaultAddress(), "unix:/elsewhere");
  unsetenv("LONGSHORE_ADDRESS");
  EXPECT_EQ(DefaultAddress().rfind("unix:/", 0), 0u);
}

struct Case {
  Credentials who;
  const char* address;
  bool is_fine;
};

TEST(Credentials, OnlyWhatMakesSenseIsTaken) {
  constexpr auto kNone = std::nullopt;
  const Case cases[] = {
      {{}, "host:1", true},
      {{"ca", kNone, kNone, "name", "token", kNone}, "host:1", true},
      {{kNone, kNone, kNone, kNone, "token", kNone}, "unix:/d", true},
      {{kNone, kNone, kNone, kNone, "token", kNone}, "host:1", false},
      {{kNone, kNone, kNone, kNone, kNone, "file"}, "host:1", false},
      {{"ca", "cert", kNone, kNone, kNone, kNone}, "host:1", false},
      {{kNone, "cert", "key", kNone, kNone, kNone}, "host:1", false},
      {{kNone, kNone, kNone, "name", kNone, kNone}, "host:1", false},
      {{"ca", kNone, kNone, kNone, "token", "file"}, "host:1", false},
      {{"ca", kNone, kNone, kNone, "to ken", kNone}, "host:1", false},
      {{"ca", kNone, kNone, kNone, "", kNone}, "host:1", false},
  };
  for (const auto& one : cases) {
    EXPECT_EQ(!one.who.Check(one.address).has_value(), one.is_fine)
        << &one - cases << " " << one.address;
  }
}

TEST(Credentials, AFileWithATokenIsReadForEveryCall) {
  const std::string path = testing::TempDir() + "longshore-token";
  Credentials who;
  who.token_file = path;
  std::ofstream(path) << "first\n";
  EXPECT_EQ(*who.Authorization(), "Bearer first");
  std::ofstream(path) << "second\n";
  EXPECT_EQ(*who.Authorization(), "Bearer second");
  std::remove(path.c_str());
  EXPECT_EQ(who.Authorization().error().kind, ErrorKind::kBadArgument);
}

TEST(Credentials, AClientWhoseCaCannotBeReadIsNotMade) {
  ClientOptions options;
  options.address = "localhost:1";
  options.credentials.emplace().tls_ca = "/nowhere/ca.pem";
  const auto client = Client::Open(options);
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().kind, ErrorKind::kBadArgument);
}

}  // namespace
}  // namespace longshore
