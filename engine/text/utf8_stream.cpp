// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/utf8_stream.h"

#include "text/utf8.h"

namespace engine {

std::string_view Utf8Stream::push(std::string_view bytes)
{
    m_complete.clear();
    m_pending += bytes;
    std::string_view rest = m_pending;
    while (!rest.empty()) {
        const Utf8Step step = utf8Step(rest);
        if (step.kind == Utf8Step::Kind::Incomplete)
            break;
        m_complete += step.kind == Utf8Step::Kind::CodePoint ? rest.substr(0, step.length) : kReplacement;
        rest.remove_prefix(step.length);
    }
    m_pending.erase(0, m_pending.size() - rest.size());
    return m_complete;
}

std::string_view Utf8Stream::finish()
{
    m_complete.clear();
    if (!m_pending.empty()) {
        m_complete = kReplacement;
        m_pending.clear();
    }
    return m_complete;
}

} // namespace engine
