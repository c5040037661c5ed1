package io.longshore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class UnitsTest {
  private record Parser(String name, Function<String, BigDecimal> parse) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Stream<Parser> parsers() {
    return Stream.of(
        new Parser("size", text -> BigDecimal.valueOf(Units.parseSize(text))),
        new Parser("rate", text -> BigDecimal.valueOf(Units.parseRate(text))),
        new Parser("duration", text -> seconds(Units.parseDuration(text))));
  }

  private static BigDecimal seconds(Duration duration) {
    return BigDecimal.valueOf(duration.getSeconds())
        .add(BigDecimal.valueOf(duration.getNano(), 9));
  }

  private static JsonArray vectors(Parser parser, String kind) throws IOException {
    String text = Files.readString(Path.of("../../tests/vectors/units.json"));
    JsonObject all = JsonParser.parseString(text).getAsJsonObject();
    var found = all.getAsJsonObject(parser.name()).getAsJsonArray(kind);
    assertNotEquals(0, found.size());
    return found;
  }

  @ParameterizedTest
  @MethodSource("parsers")
  void quantitiesAreReadAsEverywhere(Parser parser) throws IOException {
    for (JsonElement vector : vectors(parser, "valid")) {
      String text = vector.getAsJsonObject().get("text").getAsString();
      BigDecimal want = vector.getAsJsonObject().get("value").getAsBigDecimal();
      assertEquals(0, want.compareTo(parser.parse().apply(text)), text);
    }
  }

  @ParameterizedTest
  @MethodSource("parsers")
  void whatCouldBeMisreadIsRefused(Parser parser) throws IOException {
    for (JsonElement text : vectors(parser, "invalid")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> parser.parse().apply(text.getAsString()),
          text.getAsString());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0 B",
    "1023, 1023 B",
    "1024, 1 KiB",
    "1536, 1.5 KiB",
    "1048166.4, 1 MiB",
    "11005853696, 10.2 GiB",
    "107374182400, 100 GiB",
    "4611686018427387904, 4 EiB"
  })
  void sizesForPeopleAreShort(double size, String shown) {
    assertEquals(shown, Units.formatSize(size));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0s", "1, 1ms", "250, 250ms", "1500, 1.5s", "2000, 2s", "42000, 42s", "59600, 1m",
    "3900000, 1h 5m", "93784000, 1d 2h"
  })
  void durationsForPeopleHaveTwoUnitsAtMost(long milliseconds, String shown) {
    assertEquals(shown, Units.formatDuration(Duration.ofMillis(milliseconds)));
  }

  @Test
  void aRateIsASizeASecond() {
    assertEquals("50 MiB/s", Units.formatRate(50 << 20));
  }
}
