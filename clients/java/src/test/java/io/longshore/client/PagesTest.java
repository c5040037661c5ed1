package io.longshore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.junit.jupiter.api.Test;

class PagesTest {
  private final List<String> asked = new ArrayList<>();
  private final Map<String, Pages.Page<String>> book =
      Map.of(
          "", new Pages.Page<>(List.of("a", "b"), "2"),
          "2", new Pages.Page<>(List.of(), "3"),
          "3", new Pages.Page<>(List.of("c"), ""));
  private final Pages<String> pages =
      new Pages<>(
          token -> {
            asked.add(token);
            return book.get(token);
          });

  @Test
  void anEmptyPageIsNotTheEnd() {
    List<String> found = new ArrayList<>();
    pages.forEachRemaining(found::add);
    assertEquals(List.of("a", "b", "c"), found);
    assertThrows(NoSuchElementException.class, pages::next);
  }

  @Test
  void aPageIsFetchedWhenItIsNeeded() {
    assertEquals(List.of(), asked);
    pages.next();
    pages.next();
    assertEquals(List.of(""), asked);
  }
}
