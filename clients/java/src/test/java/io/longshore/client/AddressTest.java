package io.longshore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AddressTest {
  @ParameterizedTest
  @CsvSource({
    "unix:/run/x.sock, unix:/run/x.sock",
    "unix:///run/x.sock, unix:/run/x.sock",
    "localhost:7443, localhost:7443",
    "[::1]:7443, [::1]:7443"
  })
  void anAddressHasOneSpelling(String given, String one) {
    assertEquals(one, Address.check(given));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", "localhost", ":7443", "localhost:", "localhost:0", "localhost:65536", "localhost:http",
        "localhost:+1", "localhost:99999999999", "unix:", "unix:x.sock", "http://"
      })
  void whatIsNoAddressIsRefused(String given) {
    assertThrows(IllegalArgumentException.class, () -> Address.check(given));
  }

  @Test
  void theUsualAddressDependsOnTheUser() {
    Map<String, String> none = Map.of();
    assertEquals("here:1", Address.usual(Map.of("LONGSHORE_ADDRESS", "here:1")::get, 0));
    assertEquals("unix:/run/longshore/longshored.sock", Address.usual(none::get, 0));
    assertEquals(
        "unix:/run/user/7/longshore/longshored.sock",
        Address.usual(Map.of("XDG_RUNTIME_DIR", "/run/user/7")::get, 7));
    assertEquals(
        "unix:/tmp/longshore-7/longshore/longshored.sock", Address.usual(none::get, 7));
  }
}
