// Owns what OpenSSL made.
#pragma once

#include <memory>

namespace ferrule::mqtt {

template <auto Free>
struct OpensslDeleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

template <class T, auto Free>
using OpensslPtr = std::unique_ptr<T, OpensslDeleter<Free>>;

}  // namespace ferrule::mqtt
