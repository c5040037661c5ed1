package io.longshore.client;

import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;

/** The items of one page after another. A page may be empty and not the last. */
final class Pages<T> implements Iterator<T> {
  record Page<T>(List<T> items, String next) {}

  private final Function<String, Page<T>> fetch;
  private Iterator<T> items = List.<T>of().iterator();
  private String token = "";
  private boolean isLast;

  Pages(Function<String, Page<T>> fetch) {
    this.fetch = fetch;
  }

  @Override
  public boolean hasNext() {
    while (!items.hasNext() && !isLast) {
      Page<T> page = fetch.apply(token);
      items = page.items().iterator();
      token = page.next();
      isLast = token.isEmpty();
    }
    return items.hasNext();
  }

  @Override
  public T next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    return items.next();
  }
}
