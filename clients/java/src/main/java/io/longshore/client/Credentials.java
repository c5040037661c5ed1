package io.longshore.client;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.UnaryOperator;

/**
 * Whom to believe and who to be at HOST:PORT; a unix socket speaks no TLS, and may take a
 * token. What is null is not given.
 *
 * @param tlsCa PEM file of the daemon's CA, or "system"; with it there is TLS
 * @param tlsCert PEM file of our certificate with its chain, if the daemon wants one
 * @param tlsKey PEM file of its key (PKCS #8)
 * @param tlsName what the daemon's certificate says, if that is not HOST
 * @param token a bearer token
 * @param tokenFile a file with nothing else in it, read again for every call
 */
public record Credentials(
    String tlsCa, String tlsCert, String tlsKey, String tlsName, String token, String tokenFile) {
  private static final Metadata.Key<String> CLIENT = key("longshore-client");
  private static final Metadata.Key<String> AUTHORIZATION = key("authorization");

  /** No TLS and no token. */
  public static Credentials none() {
    return new Credentials(null, null, null, null, null, null);
  }

  /** TLS, and a CA to believe. */
  public static Credentials tls(String ca) {
    return new Credentials(ca, null, null, null, null, null);
  }

  /** LONGSHORE_TLS_CA, _CERT, _KEY, _NAME, LONGSHORE_TOKEN, LONGSHORE_TOKEN_FILE. */
  public static Credentials fromEnvironment() {
    return from(System::getenv);
  }

  static Credentials from(UnaryOperator<String> environment) {
    return new Credentials(
        environment.apply("LONGSHORE_TLS_CA"),
        environment.apply("LONGSHORE_TLS_CERT"),
        environment.apply("LONGSHORE_TLS_KEY"),
        environment.apply("LONGSHORE_TLS_NAME"),
        environment.apply("LONGSHORE_TOKEN"),
        environment.apply("LONGSHORE_TOKEN_FILE"));
  }

  public Credentials withCertificate(String cert, String key) {
    return new Credentials(tlsCa, cert, key, tlsName, token, tokenFile);
  }

  public Credentials withName(String name) {
    return new Credentials(tlsCa, tlsCert, tlsKey, name, token, tokenFile);
  }

  public Credentials withToken(String given) {
    return new Credentials(tlsCa, tlsCert, tlsKey, tlsName, given, tokenFile);
  }

  public Credentials withTokenFile(String file) {
    return new Credentials(tlsCa, tlsCert, tlsKey, tlsName, token, file);
  }

  /** Shows no secret. */
  @Override
  public String toString() {
    return String.format(
        "Credentials[tlsCa=%s, tlsCert=%s, tlsKey=%s, tlsName=%s, token=%s, tokenFile=%s]",
        tlsCa, tlsCert, tlsKey, tlsName, token == null ? null : "***", tokenFile);
  }

  Credentials check(String address) {
    boolean isPlain = !Address.isLocal(address) && tlsCa == null;
    refuseIf((tlsCert == null) != (tlsKey == null), "a certificate and its key go together");
    refuseIf(token != null && tokenFile != null, "a token and a token file: which one is meant?");
    refuseIf(
        isPlain && (tlsCert != null || tlsName != null), "TLS needs a CA: a PEM file, or \"system\"");
    refuseIf(
        isPlain && (token != null || tokenFile != null),
        "a token does not go over TCP without TLS");
    if (token != null) {
      checkToken(token);
    }
    return this;
  }

  private static void refuseIf(boolean isWrong, String why) {
    if (isWrong) {
      throw new IllegalArgumentException(why);
    }
  }

  private static String checkToken(String token) {
    refuseIf(!token.matches("[!-~]+"), "a token is letters, digits and signs, without a blank");
    return token;
  }

  /** Reads the files. */
  ChannelCredentials transport(String address) {
    if (Address.isLocal(address) || tlsCa == null) {
      return InsecureChannelCredentials.create();
    }
    try {
      TlsChannelCredentials.Builder tls = TlsChannelCredentials.newBuilder();
      if (!tlsCa.equals("system")) {
        tls.trustManager(new File(tlsCa));
      }
      if (tlsCert != null) {
        tls.keyManager(new File(tlsCert), new File(tlsKey));
      }
      return tls.build();
    } catch (IOException unreadable) {
      throw new UncheckedIOException(unreadable);
    }
  }

  /** Adds who we are to what goes with a call. */
  void introduce(Metadata headers) {
    headers.put(CLIENT, "longshore-java/" + Client.VERSION);
    String shown = token;
    if (tokenFile != null) {
      try {
        shown = checkToken(Files.readString(Path.of(tokenFile)).strip());
      } catch (IOException unreadable) {
        throw new UncheckedIOException(unreadable);
      }
    }
    if (shown != null) {
      headers.put(AUTHORIZATION, "Bearer " + shown);
    }
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }
}
