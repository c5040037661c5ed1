// A value or an Error, and loops over many of them.
#ifndef LONGSHORE_RESULT_H_
#define LONGSHORE_RESULT_H_

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "longshore/error.h"

namespace longshore {

namespace internal {
[[noreturn]] void Throw(const Error& error);
}  // namespace internal

// Ask ok() before `*` or `->`; or take value(), which throws the Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : either_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : either_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return either_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return *std::get_if<1>(&either_); }

  T& operator*() & { return *std::get_if<0>(&either_); }
  const T& operator*() const& { return *std::get_if<0>(&either_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&either_)); }
  T* operator->() { return std::get_if<0>(&either_); }
  const T* operator->() const { return std::get_if<0>(&either_); }

  const T& value() const& {
    if (!ok()) internal::Throw(error());
    return **this;
  }
  T value() && {
    if (!ok()) internal::Throw(error());
    return *std::move(*this);
  }

 private:
  std::variant<T, Error> either_;
};

// Makes a range-for of anything that has `std::optional<Result<T>> Next()`.
template <typename Source, typename T>
class Iterator {
 public:
  struct End {};

  explicit Iterator(Source* source) : source_(source), item_(source->Next()) {}
  Result<T>& operator*() { return *item_; }
  void operator++() { item_ = source_->Next(); }
  bool operator!=(End) const { return item_.has_value(); }

 private:
  Source* source_;
  std::optional<Result<T>> item_;
};

template <typename T>
struct Page {
  std::deque<T> items;
  std::string next_token;  // empty: this is the last
};

// A list that fetches its pages as they are needed. Ends after an error.
template <typename T>
class Pages {
 public:
  using Fetch = std::function<Result<Page<T>>(const std::string& token)>;

  explicit Pages(Fetch fetch) : fetch_(std::move(fetch)) {}

  // The next item, an error, or nullopt at the end.
  std::optional<Result<T>> Next() {
    while (page_.items.empty()) {
      if (is_last_) return std::nullopt;
      Result<Page<T>> page = fetch_(page_.next_token);
      is_last_ = !page.ok() || page->next_token.empty();
      if (!page.ok()) return Result<T>(page.error());
      page_ = *std::move(page);
    }
    Result<T> item(std::move(page_.items.front()));
    page_.items.pop_front();
    return item;
  }

  Iterator<Pages, T> begin() { return Iterator<Pages, T>(this); }
  typename Iterator<Pages, T>::End end() { return {}; }

 private:
  Fetch fetch_;
  Page<T> page_;
  bool is_last_ = false;
};

}  // namespace longshore

#endif  // LONGSHORE_RESULT_H_
