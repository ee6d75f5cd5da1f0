// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace engine {

// What went wrong, by what the caller can do about it. The command line turns these into its exit codes.
enum class ErrorCode {
    BadFile = 1,  // a model file is broken, truncated, lying or of an unknown kind
    BadImage,     // a picture cannot be decoded or is over the limits
    Unsupported,  // well formed, and nothing we can run
    OutOfMemory,  // the device or the machine has no room
    DeviceLost,   // the device stopped answering or does not exist
    ContextFull,  // the conversation does not fit the context
    Cancelled,    // somebody asked to stop
    Network,      // a remote engine or download failed
    Storage,      // disk or database
    BadRequest,   // the request itself is wrong (empty question, option out of range)
    Internal,     // our own mistake
};

struct Error {
    Error(ErrorCode c, std::string m, const char *f = __builtin_FILE(), int l = __builtin_LINE())
        : code(c), message(std::move(m)), file(f), line(l)
    {
    }
    ErrorCode code;
    std::string message; // one sentence for people: what is wrong and, where known, what to do
    const char *file;
    int line;
};

// A value or an Error. Expected failures travel as values; no exception crosses a signature.
template <typename T> class [[nodiscard]] Result {
public:
    Result(T value) : m_state(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : m_state(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] bool ok() const { return m_state.index() == 0; }
    explicit operator bool() const { return ok(); }
    T &value() & { return std::get<0>(m_state); }
    const T &value() const & { return std::get<0>(m_state); }
    T &&value() && { return std::get<0>(std::move(m_state)); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T *operator->() { return &value(); }
    const T *operator->() const { return &value(); }
    const Error &error() const & { return std::get<1>(m_state); }
    Error &&error() && { return std::get<1>(std::move(m_state)); }

private:
    std::variant<T, Error> m_state;
};

struct Done {};
using Status = Result<Done>;

} // namespace engine

#define ENGINE_JOIN_INNER(a, b) a##b
#define ENGINE_JOIN(a, b) ENGINE_JOIN_INNER(a, b)
// ENGINE_TRY(auto x, expression): x is the value, or the function returns the error.
#define ENGINE_TRY(declaration, ...)                                                               \
    auto ENGINE_JOIN(engineTry, __LINE__) = (__VA_ARGS__);                                         \
    if (!ENGINE_JOIN(engineTry, __LINE__).ok())                                                    \
        return std::move(ENGINE_JOIN(engineTry, __LINE__)).error();                                \
    declaration = std::move(ENGINE_JOIN(engineTry, __LINE__)).value()
// ENGINE_CHECK(status): the function returns the error, if there is one.
#define ENGINE_CHECK(...)                                                                          \
    do {                                                                                           \
        auto engineCheck = (__VA_ARGS__);                                                          \
        if (!engineCheck.ok())                                                                     \
            return std::move(engineCheck).error();                                                 \
    } while (false)
