package io.longshore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Metadata;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class CredentialsTest {
  private static final String FAR = "images.example.org:7443";
  private static final String NEAR = "unix:/run/x.sock";
  private static final Credentials NONE = Credentials.none();
  private static final Credentials TLS = Credentials.tls("system");

  private static String header(Credentials who, String name) {
    Metadata headers = new Metadata();
    who.introduce(headers);
    return headers.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
  }

  static Stream<Credentials> sensible() {
    return Stream.of(
        NONE, TLS, TLS.withToken("secret"), TLS.withCertificate("c", "k").withName("other"));
  }

  static Stream<Credentials> senseless() {
    return Stream.of(
        NONE.withToken("secret"),
        NONE.withTokenFile("token"),
        NONE.withCertificate("c", "k"),
        NONE.withName("other"),
        TLS.withCertificate("c", null),
        TLS.withCertificate(null, "k"),
        TLS.withToken("secret").withTokenFile("token"));
  }

  @ParameterizedTest
  @MethodSource("sensible")
  void credentialsThatMakeSenseAreTaken(Credentials who) {
    assertSame(who, who.check(FAR));
  }

  @ParameterizedTest
  @MethodSource("senseless")
  void credentialsThatMakeNoSenseAreRefused(Credentials who) {
    assertThrows(IllegalArgumentException.class, () -> who.check(FAR));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "two words", "line\nline", "ä"})
  void whatIsNoTokenIsRefused(String token) {
    Credentials who = NONE.withToken(token);
    assertThrows(IllegalArgumentException.class, () -> who.check(NEAR));
  }

  @Test
  void aUnixSocketTakesATokenWithoutTls() {
    Credentials who = NONE.withToken("secret");
    assertEquals("Bearer secret", header(who.check(NEAR), "authorization"));
  }

  @Test
  void filesThatCannotBeReadAreToldAtOnce() {
    Credentials who = Credentials.tls("/nonexistent");
    assertThrows(UncheckedIOException.class, () -> new Client(FAR, who));
  }

  @Test
  void aTokenFileIsReadForEveryCall(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("token");
    Credentials who = NONE.withTokenFile(file.toString());
    for (String token : new String[] {"first", "second"}) {
      Files.writeString(file, token + "\n");
      assertEquals("Bearer " + token, header(who, "authorization"));
    }
    Files.delete(file);
    assertThrows(UncheckedIOException.class, () -> header(who, "authorization"));
  }

  @Test
  void theTokenIsNotShown() {
    assertFalse(NONE.withToken("secret").toString().contains("secret"));
  }

  @Test
  void theClientSaysWhichItIs() {
    assertEquals("longshore-java/" + Client.VERSION, header(NONE, "longshore-client"));
  }

  @Test
  void theEnvironmentHasANameForEach() {
    var who = Credentials.from(Map.of("LONGSHORE_TLS_CA", "a", "LONGSHORE_TOKEN_FILE", "f")::get);
    assertEquals(Credentials.tls("a").withTokenFile("f"), who);
  }
}
