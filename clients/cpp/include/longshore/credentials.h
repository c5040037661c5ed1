// Where the daemon listens, whom to believe and who to be.
#ifndef LONGSHORE_CREDENTIALS_H_
#define LONGSHORE_CREDENTIALS_H_

#include <memory>
#include <optional>
#include <string>

#include <grpcpp/security/credentials.h>

#include "longshore/result.h"

namespace longshore {

// LONGSHORE_ADDRESS, else the socket where a daemon of this user would make it.
std::string DefaultAddress();

// The address, unix:PATH or HOST:PORT, as gRPC takes it.
Result<std::string> CheckAddress(const std::string& address);

// For HOST:PORT; the unix socket speaks no TLS, and may take a token.
struct Credentials {
  std::optional<std::string> tls_ca;    // PEM file, or "system"; with it there is TLS
  std::optional<std::string> tls_cert;  // PEM file, if the daemon wants one
  std::optional<std::string> tls_key;   // PEM file of its key
  std::optional<std::string> tls_name;  // the daemon's certificate, if not the HOST
  std::optional<std::string> token;
  std::optional<std::string> token_file;  // read again for every call

  // LONGSHORE_TLS_CA, _CERT, _KEY, _NAME, LONGSHORE_TOKEN, _TOKEN_FILE.
  static Credentials FromEnvironment();

  // Why they make no sense for this address, if they do not.
  std::optional<Error> Check(const std::string& address) const;
  // Reads the files.
  Result<std::shared_ptr<grpc::ChannelCredentials>> ForChannel(
      const std::string& address) const;
  // What goes with every call as "authorization"; empty without a token.
  Result<std::string> Authorization() const;
};

}  // namespace longshore

#endif  // LONGSHORE_CREDENTIALS_H_
