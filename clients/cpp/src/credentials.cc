#include "longshore/credentials.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace longshore {
namespace {

Error Refused(std::string why) { return {ErrorKind::kBadArgument, std::move(why)}; }

bool StartsWith(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

bool IsLocal(const std::string& address) { return StartsWith(address, "unix:"); }

std::optional<std::string> Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::make_optional<std::string>(value);
}

bool IsPort(const std::string& text) {
  unsigned port = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && rest == end && port > 0 && port < 65536;
}

Result<std::string> Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || file.bad()) return Refused("cannot read " + path);
  return text;
}

// Reads a file into `into`, if there is one to be read.
std::optional<Error> ReadInto(const std::optional<std::string>& path,
                              std::string* into) {
  if (!path) return std::nullopt;
  auto text = Read(*path);
  if (!text) return text.error();
  *into = *std::move(text);
  return std::nullopt;
}

Result<std::string> Bearer(const std::string& token) {
  const auto is_sign = [](unsigned char sign) { return sign > ' ' && sign < 0x7f; };
  if (token.empty() || !std::all_of(token.begin(), token.end(), is_sign)) {
    return Refused("a token is letters, digits and signs, without a blank");
  }
  return "Bearer " + token;
}

std::string Strip(const std::string& text) {
  constexpr char kBlank[] = " \t\r\n\f\v";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
}

}  // namespace

std::string DefaultAddress() {
  const std::string given = Environment("LONGSHORE_ADDRESS").value_or("");
  if (!given.empty()) return given;
  if (geteuid() == 0) return "unix:/run/longshore/longshored.sock";
  std::string runtime = Environment("XDG_RUNTIME_DIR").value_or("");
  if (runtime.empty()) runtime = "/tmp/longshore-" + std::to_string(geteuid());
  return "unix:" + runtime + "/longshore/longshored.sock";
}

Result<std::string> CheckAddress(const std::string& address) {
  if (IsLocal(address)) {
    const std::string path = address.substr(StartsWith(address, "unix://") ? 7 : 5);
    if (StartsWith(path, "/")) return "unix:" + path;
    return Refused("unix:PATH needs an absolute path, not '" + path + "'");
  }
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || !IsPort(address.substr(colon + 1))) {
    return Refused("address must be unix:PATH or HOST:PORT, not '" + address + "'");
  }
  return address;
}

Credentials Credentials::FromEnvironment() {
  return {Environment("LONGSHORE_TLS_CA"),  Environment("LONGSHORE_TLS_CERT"),
          Environment("LONGSHORE_TLS_KEY"), Environment("LONGSHORE_TLS_NAME"),
          Environment("LONGSHORE_TOKEN"),   Environment("LONGSHORE_TOKEN_FILE")};
}

std::optional<Error> Credentials::Check(const std::string& address) const {
  if (tls_cert.has_value() != tls_key.has_value()) {
    return Refused("a certificate (tls_cert) and its key (tls_key) go together");
  }
  if (token && token_file) {
    return Refused("there is a token and a token_file: which one is meant?");
  }
  if (token) {
    if (auto bearer = Bearer(*token); !bearer) return bearer.error();
  }
  if (IsLocal(address) || tls_ca) return std::nullopt;
  if (tls_cert || tls_name) return Refused("TLS needs tls_ca: a PEM file, or 'system'");
  if (token || token_file) {
    return Refused(
        "a token does not go over TCP without TLS: tls_ca is needed, a PEM file, or "
        "'system'");
  }
  return std::nullopt;
}

Result<std::shared_ptr<grpc::ChannelCredentials>> Credentials::ForChannel(
    const std::string& address) const {
  if (IsLocal(address) || !tls_ca) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions pem;
  if (*tls_ca != "system") {
    if (auto error = ReadInto(tls_ca, &pem.pem_root_certs)) return *std::move(error);
  }
  if (auto error = ReadInto(tls_cert, &pem.pem_cert_chain)) return *std::move(error);
  if (auto error = ReadInto(tls_key, &pem.pem_private_key)) return *std::move(error);
  return grpc::SslCredentials(pem);
}

Result<std::string> Credentials::Authorization() const {
  if (token) return Bearer(*token);
  if (!token_file) return std::string();
  const auto text = Read(*token_file);
  return text ? Bearer(Strip(*text)) : text;
}

}  // namespace longshore
