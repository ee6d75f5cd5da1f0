// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <cstdint>
#include <limits>
#include <optional>

namespace engine {

// Every number that comes from a file is computed with this. Overflow sticks: once wrong, always wrong.
class Checked {
public:
    constexpr Checked() = default;
    constexpr Checked(std::uint64_t value) : m_value(value) {}
    static constexpr Checked fromSigned(std::int64_t value)
    {
        Checked result(value < 0 ? 0 : static_cast<std::uint64_t>(value));
        result.m_ok = value >= 0;
        return result;
    }

    friend constexpr Checked operator+(Checked a, Checked b)
    {
        Checked r;
        r.m_ok = !__builtin_add_overflow(a.m_value, b.m_value, &r.m_value) && a.m_ok && b.m_ok;
        return r;
    }
    friend constexpr Checked operator-(Checked a, Checked b)
    {
        Checked r;
        r.m_ok = !__builtin_sub_overflow(a.m_value, b.m_value, &r.m_value) && a.m_ok && b.m_ok;
        return r;
    }
    friend constexpr Checked operator*(Checked a, Checked b)
    {
        Checked r;
        r.m_ok = !__builtin_mul_overflow(a.m_value, b.m_value, &r.m_value) && a.m_ok && b.m_ok;
        return r;
    }
    // Rounds up to a multiple of `alignment`; the check comes before the padding can wrap.
    [[nodiscard]] constexpr Checked alignedTo(std::uint64_t alignment) const
    {
        if (alignment == 0) {
            Checked r;
            r.m_ok = false;
            return r;
        }
        const std::uint64_t rest = m_value % alignment;
        return rest == 0 ? *this : *this + Checked(alignment - rest);
    }
    [[nodiscard]] constexpr bool ok() const { return m_ok; }
    [[nodiscard]] constexpr std::optional<std::uint64_t> get() const
    {
        return m_ok ? std::optional<std::uint64_t>(m_value) : std::nullopt;
    }
    // The value, when it is known and at most `limit`.
    [[nodiscard]] constexpr std::optional<std::uint64_t> atMost(std::uint64_t limit) const
    {
        return m_ok && m_value <= limit ? std::optional<std::uint64_t>(m_value) : std::nullopt;
    }

private:
    std::uint64_t m_value = 0;
    bool m_ok = true;
};

} // namespace engine
