package io.longshore.client;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Sizes, rates and durations as people write them. A bare number is bytes; K M G T P E and
 * KiB MiB … are powers of 1024, kB KB MB … powers of 1000. Small m, and b for bits, are
 * refused: they have been read both ways too often. What all clients agree on is in
 * tests/vectors/units.json.
 */
public final class Units {
  private static final String LETTERS = "KMGTPE";
  private static final Pattern SIZE = Pattern.compile("([0-9]+(?:\\.[0-9]+)?)\\s*([A-Za-z]*)");
  private static final String SPAN = "([0-9]+(?:\\.[0-9]+)?)(ms|s|m|h|d)";
  private static final Pattern ONE_SPAN = Pattern.compile(SPAN);
  private static final Pattern SPANS = Pattern.compile("(?:" + SPAN + ")+");
  private static final Pattern BARE = Pattern.compile("[0-9]+(?:\\.[0-9]+)?");
  private static final Map<String, Long> SIZES = sizes();
  private static final Map<String, Duration> TIMES =
      Map.of(
          "ms", Duration.ofMillis(1),
          "s", Duration.ofSeconds(1),
          "m", Duration.ofMinutes(1),
          "h", Duration.ofHours(1),
          "d", Duration.ofDays(1));

  /** What a Duration of protobuf can hold, about 10,000 years. */
  private static final BigDecimal SECONDS_MAX = BigDecimal.valueOf(315_576_000_000L);

  /** More digits than any number that is meant. */
  private static final int LONGEST = 64;

  private Units() {}

  private static Map<String, Long> sizes() {
    Map<String, Long> sizes = new HashMap<>(Map.of("", 1L, "B", 1L, "k", 1024L, "kiB", 1024L));
    sizes.put("kB", 1000L);
    long binary = 1;
    long decimal = 1;
    for (String letter : LETTERS.split("")) {
      binary *= 1024;
      decimal *= 1000;
      sizes.put(letter, binary);
      sizes.put(letter + "iB", binary);
      sizes.put(letter + "B", decimal);
    }
    return sizes;
  }

  /** Bytes: 512, 64K, 1.5GiB, 200MB. */
  public static long parseSize(String text) {
    Matcher found = SIZE.matcher(text.strip());
    if (text.length() > LONGEST || !found.matches()) {
      throw refused("not a size: '%s' (write 512, 64K, 1.5GiB or 200MB)", text);
    }
    Long unit = SIZES.get(found.group(2));
    if (unit == null) {
      throw refused("unknown unit in '%s' (K M G T or KiB MiB … = 1024, kB MB … = 1000)", text);
    }
    try {
      BigDecimal size = new BigDecimal(found.group(1)).multiply(BigDecimal.valueOf(unit));
      BigInteger whole = size.toBigIntegerExact();
      if (whole.bitLength() > 63) {
        throw refused("'%s' is more than 2^63-1 bytes", text);
      }
      return whole.longValueExact();
    } catch (ArithmeticException broken) {
      throw refused("'%s' is not a whole number of bytes", text);
    }
  }

  /** Bytes a second: a size, with or without "/s". */
  public static long parseRate(String text) {
    String bare = text.strip();
    long rate = parseSize(bare.endsWith("/s") ? bare.substring(0, bare.length() - 2) : bare);
    if (rate == 0) {
      throw refused("a rate of '%s' moves nothing; leave it out for no limit", text);
    }
    return rate;
  }

  /** Seconds: a bare number, or 90s, 1h30m, 250ms. */
  public static Duration parseDuration(String text) {
    String spans = text.strip();
    if (BARE.matcher(spans).matches()) {
      spans += "s";
    }
    if (text.length() > LONGEST || !SPANS.matcher(spans).matches()) {
      throw refused("not a duration: '%s' (write 90, 90s, 1h30m or 250ms)", text);
    }
    BigDecimal seconds = BigDecimal.ZERO;
    Set<String> seen = new HashSet<>();
    for (Matcher span = ONE_SPAN.matcher(spans); span.find(); ) {
      if (!seen.add(span.group(2))) {
        throw refused("'%s' names a unit twice", text);
      }
      BigDecimal unit = BigDecimal.valueOf(TIMES.get(span.group(2)).toMillis(), 3);
      seconds = seconds.add(new BigDecimal(span.group(1)).multiply(unit));
    }
    if (seconds.compareTo(SECONDS_MAX) > 0) {
      throw refused("'%s' is more than 10,000 years", text);
    }
    BigDecimal[] parts = seconds.divideAndRemainder(BigDecimal.ONE);
    return Duration.ofSeconds(
        parts[0].longValue(), parts[1].movePointRight(9).setScale(0, RoundingMode.DOWN).longValue());
  }

  /** A size for people: 1.5 GiB. Exact below 1 KiB. */
  public static String formatSize(double size) {
    if (size < 1024) {
      return (long) size + " B";
    }
    int power = 0;
    // What would be shown as 1024 is 1 of the next unit.
    for (; size >= 1023.5 && power < LETTERS.length(); power++) {
      size /= 1024;
    }
    String shown = rounded(size, size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2).toPlainString();
    return shown + " " + LETTERS.charAt(power - 1) + "iB";
  }

  /** A size, a second. */
  public static String formatRate(double rate) {
    return formatSize(rate) + "/s";
  }

  /** A duration for people, two units at most: 1h 5m, 42s, 1.5s, 250ms. */
  public static String formatDuration(Duration duration) {
    double seconds = duration.getSeconds() + duration.getNano() / 1e9;
    if (0 < seconds && seconds < 0.95) {
      return Math.max(1, (long) Math.rint(seconds * 1000)) + "ms";
    }
    if (0 < seconds && seconds < 9.95) {
      return rounded(seconds, 1).toPlainString() + "s";
    }
    long left = (long) Math.rint(seconds);
    List<String> parts = new ArrayList<>();
    for (String unit : List.of("d", "h", "m", "s")) {
      long span = TIMES.get(unit).toSeconds();
      if (left >= span && parts.size() < 2) {
        parts.add(left / span + unit);
      }
      left %= span;
    }
    return parts.isEmpty() ? "0s" : String.join(" ", parts);
  }

  /** Of the number as it is in memory, without noughts at the end. */
  private static BigDecimal rounded(double number, int digits) {
    BigDecimal round = new BigDecimal(number).setScale(digits, RoundingMode.HALF_EVEN);
    return digits == 0 ? round : new BigDecimal(round.stripTrailingZeros().toPlainString());
  }

  private static IllegalArgumentException refused(String why, String text) {
    return new IllegalArgumentException(String.format(Locale.ROOT, why, text));
  }
}
